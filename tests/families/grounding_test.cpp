// Florence-2's prompts, answers and locations against transformers', and what must be refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "loader/grounding/settings.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"
#include "tests/families/error_of.h"

namespace vulcap::grounding {
namespace {

using nlohmann::json;

constexpr ImageSize kSize{640, 427};

const json& golden() {
  static const json all = loader::read_json_object(VULCAP_TEST_DATA "/grounding.json");
  return all;
}

PostProcessor configured() {
  std::vector<std::string> warnings;
  PostProcessor made(golden()["config"], "file", warnings);
  EXPECT_TRUE(warnings.empty());
  return made;
}

ImageSize size_of(const json& item) { return {item["size"][0], item["size"][1]}; }

TEST(Grounding, AnswersEqualTheReference) {
  const TaskTable tasks;
  const PostProcessor plain, with_config = configured();
  for (const json& item : golden()["answers"]) {
    const PostProcessor& processor = item["config"] ? with_config : plain;
    const Answer answer = processor.answer(tasks.find(item["task"].get<std::string>()).answer,
                                           item["text"].get<std::string>(), size_of(item));
    EXPECT_EQ(reference_form(answer), item["expected"]) << item.dump();
  }
}

TEST(Grounding, PromptsEqualTheReference) {
  const TaskTable tasks;
  for (const json& item : golden()["prompts"]) {
    const std::string text = item["text"];
    if (item["expected"].is_null()) {
      EXPECT_THROW(tasks.construct_prompt(text), core::Error) << text;
    } else {
      EXPECT_EQ(tasks.construct_prompt(text), item["expected"]) << text;
    }
  }
}

TEST(Grounding, BinsEqualTheReference) {
  for (const json& item : golden()["bins"]) {
    EXPECT_EQ(json(quantise(item["pixels"].get<std::vector<double>>(), size_of(item))), item["bins"]);
  }
}

TEST(Grounding, EveryBinComesBackFromItsPixel) {
  for (int64_t bin = 0; bin < kBins; ++bin) {
    const std::vector<int64_t> point{bin, bin};
    const Points pixels = dequantise(point, {4000, 3000});
    EXPECT_EQ(quantise(std::vector<double>(pixels.begin(), pixels.end()), {4000, 3000}), point);
  }
}

// Bytes changed, cut and doubled: any answer will do, and every region keeps its form.
TEST(Grounding, MutatedTextsAreAnswered) {
  const TaskTable tasks;
  const PostProcessor plain, with_config = configured();
  std::mt19937 random(7);
  const auto below = [&](size_t limit) { return size_t(random() % std::max<size_t>(1, limit)); };
  for (const json& item : golden()["answers"]) {
    std::string text = item["text"];
    for (int change = 0; change < 6; ++change) {
      const size_t at = below(text.size());
      const size_t length = below(12);
      if (change % 3 == 0 && !text.empty()) text[at] = char(random());
      if (change % 3 == 1) text.erase(at, length);
      if (change % 3 == 2) text.insert(at, text.substr(below(text.size()), length));
      const PostProcessor& processor = change % 2 == 0 ? plain : with_config;
      const Answer answer =
          processor.answer(tasks.find(item["task"].get<std::string>()).answer, text, size_of(item));
      for (const Region& region : answer.regions) {
        for (const Points& shape : region.shapes) {
          EXPECT_EQ(shape.size() % 2, 0u);
        }
        if (region.kind == Region::Kind::kPolygons) continue;
        EXPECT_EQ(region.shapes.at(0).size(), region.kind == Region::Kind::kBox ? 4u : 8u);
      }
      EXPECT_NO_THROW(reference_form(answer).dump());
      answer_lines(answer);
    }
  }
}

TEST(Grounding, UnreadLocationsAreTold) {
  const PostProcessor processor;
  const auto remarks = [&](AnswerType type, const std::string& text) {
    const auto lines = processor.answer(type, text, kSize).remarks;
    return lines.empty() ? std::string() : lines.at(0);
  };
  EXPECT_EQ(remarks(AnswerType::kDescriptionWithBoxes, "car<loc_1><loc_2><loc_3><loc_4>"), "");
  EXPECT_EQ(remarks(AnswerType::kDescriptionWithBoxes, "car<loc_1><loc_2><loc_3><loc_4><loc_5>"),
            "1 of 5 locations in the generated text form no region and are left out");
  EXPECT_EQ(remarks(AnswerType::kPolygons, "<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7>"),
            "1 of 7 locations in the generated text form no region and are left out");
}

TEST(Grounding, LinesAreReadable) {
  const PostProcessor processor;
  EXPECT_EQ(answer_lines(processor.answer(AnswerType::kDescriptionWithBoxes,
                                          "car<loc_52><loc_332><loc_932><loc_774>", kSize)),
            std::vector<std::string>{"car: box 33,141 596,330"});
  EXPECT_EQ(answer_lines(processor.answer(AnswerType::kPolygons,
                                          "<loc_0><loc_0><loc_1><loc_1><sep><loc_2><loc_2>", {1000, 1000})),
            std::vector<std::string>{"polygons 0,0 1,1 | 2,2"});
  EXPECT_EQ(answer_lines(processor.answer(AnswerType::kPureText, "</s><s> a cat </s>", kSize)),
            std::vector<std::string>{"a cat"});
}

// ---- what a user asks for ----

struct Asked {
  std::string task, prompt, expected;  // the prompt, or a part of the error
};

class Resolves : public testing::TestWithParam<Asked> {};

TEST_P(Resolves, ToThePrompt) {
  const auto& [task, prompt, expected] = GetParam();
  EXPECT_EQ(TaskTable().resolve(task, prompt, kSize).prompt, expected);
}

INSTANTIATE_TEST_SUITE_P(
    Right, Resolves,
    testing::Values(Asked{"", "", "What does the image describe?"}, Asked{"", "two dogs", "two dogs"},
                    Asked{"od", "", "Locate the objects with category name in the image."},
                    Asked{"<OD>", "", "Locate the objects with category name in the image."},
                    Asked{"Ocr-With_Region", "", "What is the text in the image, with regions?"},
                    Asked{"", "<OCR>", "What is the text in the image?"},
                    Asked{"ocr", "<OCR>", "What is the text in the image?"},
                    Asked{"open-vocabulary-detection", "a heart", "Locate a heart in the image."},
                    Asked{"", "<OPEN_VOCABULARY_DETECTION>a heart", "Locate a heart in the image."},
                    Asked{"region-to-category", "<loc_52><loc_332><loc_932><loc_774>",
                          "What is the region <loc_52><loc_332><loc_932><loc_774>?"},
                    Asked{"region-to-ocr", "64, 42.7,320,213.5",
                          "What text is in the region <loc_100><loc_100><loc_500><loc_500>?"}));

class Refuses : public testing::TestWithParam<Asked> {};

TEST_P(Refuses, InOneLine) {
  const auto& [task, prompt, expected] = GetParam();
  const core::Error error = test::error_of([&] { TaskTable().resolve(task, prompt, kSize); });
  EXPECT_NE(error.message().find(expected), std::string::npos) << error.message();
  EXPECT_EQ(error.message().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Wrong, Refuses,
    testing::Values(Asked{"detect", "", "the task 'detect' is not one of this model's: ocr, "},
                    Asked{"od", "a car", "the task <OD> takes no text, but 'a car' was given"},
                    Asked{"", "<OD>a car", "the task <OD> takes no text"},
                    Asked{"od", "<OCR>", "--task od and the prompt's <OCR> differ"},
                    Asked{"open_vocabulary_detection", "", "needs a text, -p TEXT"},
                    Asked{"region-to-ocr", "", "needs a region, -p x1,y1,x2,y2 in pixels"},
                    Asked{"region-to-ocr", "the car", "is not a list of numbers"},
                    Asked{"region-to-ocr", "1,2,3", "has 3 coordinates"},
                    Asked{"region-to-ocr", "1,2,3,4,5", "an odd number of coordinates (5)"},
                    Asked{"region-to-ocr", "30,2,10,4", "is an empty box"},
                    Asked{"region-to-ocr", "700,2,800,4", "lies outside the image of 640 x 427"},
                    Asked{"region-to-ocr", "-9,-9,-1,-1", "lies outside the image of 640 x 427"},
                    Asked{"region-to-ocr", "1,2,3,inf", "is not a list of numbers"},
                    Asked{"region-to-ocr", "<loc_1><loc_2><loc_3>", "has 3 coordinates"},
                    Asked{"region-to-ocr", "<loc_1><loc_2><loc_3><loc_4><loc_5>", "an odd number"},
                    Asked{"region-to-ocr", "<loc_1><loc_2><loc_3><loc_1000>", "beyond <loc_999>"},
                    Asked{"region-to-ocr", "<loc_1><loc_2><loc_3><loc_>", "not made of location tokens"},
                    Asked{"region-to-ocr", "a<loc_1><loc_2><loc_3><loc_4>", "not made of location tokens"}));

// ---- settings files ----

TEST(GroundingSettings, TablesOfTheFolderCount) {
  TaskTable tasks;
  tasks.read(json::parse(R"({"task_prompts_without_inputs": {"<OD>": "Find all.", "<COUNT>": "How many?"},
      "task_prompts_with_input": {"<REGION_TO_OCR>": "Read {input}"},
      "tasks_answer_post_processing_type": {"<OD>": "bboxes"}})"),
             "file");
  EXPECT_EQ(tasks.construct_prompt("<OD>"), "Find all.");
  EXPECT_EQ(tasks.construct_prompt("<COUNT>"), "How many?");
  EXPECT_EQ(tasks.construct_prompt("<REGION_TO_OCR>x"), "Read x");
  EXPECT_EQ(tasks.construct_prompt("<CAPTION>"), "What does the image describe?");
  EXPECT_EQ(tasks.find("od").answer, AnswerType::kBoxes);
  EXPECT_EQ(tasks.find("count").answer, AnswerType::kPureText);
}

TEST(GroundingSettings, BadTablesAreRefused) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {R"({"task_prompts_with_input": 3})", "task_prompts_with_input must be an object"},
           {R"({"task_prompts_with_input": {"<A>": "b"}})", "lacks {input}"},
           {R"({"task_prompts_without_inputs": {"<A>": "b {input}"}})", "holds {input}"},
           {R"({"task_prompts_without_inputs": {"<A>": 1}})", "must be a string"},
           {R"({"tasks_answer_post_processing_type": {"<OD>": "masks"}})", "known are pure_text, "}}) {
    const core::Error error = test::error_of([&] { TaskTable().read(json::parse(text), "file"); });
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
  }
}

TEST(GroundingSettings, BadPostProcessingIsRefused) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "must be an object"},
           {R"({"ocr": 1})", "ocr must be an object"},
           {R"({"ocr": {"PATTERN": 1}})", "must be a string"},
           {R"({"ocr": {"PATTERN": "("}})", "is not supported"},
           {R"({"ocr": {"PATTERN": "(.+)<loc_(\\d+)>"}})", "nine groups"},
           {R"({"ocr": {"AREA_THRESHOLD": "small"}})", "must be a number"},
           {R"({"phrase_grounding": {"banned_grounding_tokens": "it"}})", "must be a list of strings"}}) {
    std::vector<std::string> warnings;
    const core::Error error = test::error_of([&] { PostProcessor(json::parse(text), "file", warnings); });
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
  }
}

// Published folders spell two fields in lower case, which transformers does not read.
TEST(GroundingSettings, UnreadFieldsAreTold) {
  std::vector<std::string> warnings;
  const json same = {{"ocr", {{"pattern", golden()["config"]["ocr"]["PATTERN"]}, {"area_threshold", 0.0}}}};
  PostProcessor(same, "file", warnings);
  EXPECT_TRUE(warnings.empty());
  PostProcessor(json::parse(R"({"ocr": {"area_threshold": 0.5}, "bboxes": {"x": 1}})"), "file", warnings);
  EXPECT_EQ(warnings,
            (std::vector<std::string>{"file: post_processor_config.bboxes.x is not used",
                                      "file: post_processor_config.ocr.area_threshold is not used"}));
}

TEST(GroundingSettings, APatternThatCapturesNoLocationIsToldInOneLine) {
  std::vector<std::string> warnings;
  const json config = {{"ocr", {{"PATTERN", "(.)(.)(.)(.)(.)(.)(.)(.)(.)"}}}};
  const PostProcessor processor(config, "file", warnings);
  const core::Error error = test::error_of([&] { processor.answer(AnswerType::kOcr, "abcdefghi", kSize); });
  EXPECT_NE(error.message().find("captured 'b' where a location is needed"), std::string::npos)
      << error.message();
}

}  // namespace
}  // namespace vulcap::grounding
