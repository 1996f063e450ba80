// `vulcap caption` on a Florence-2 folder: tasks, their answers in every format, overlays, and what is
// refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loader/image/decode.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

const fs::path kModel = kTestData / "families" / "florence2";
const std::string kOther = (kTestData / "images" / "scene_640x427.jpg").string();

Outcome caption(const Arguments& more) {
  Arguments arguments{"caption", "--device", "cpu", "-m", kModel.string(), "--max-new-tokens", "8"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_vulcap(arguments);
}

TEST(Florence2, ATaskAnswersInJson) {
  const Outcome outcome = caption({"--task", "od", "--format", "jsonl", kSampleImage.string()});
  ASSERT_TRUE(exits(outcome, 0));
  const json record = json::parse(outcome.out);
  EXPECT_EQ(record.at("task"), "<OD>");
  EXPECT_TRUE(record.at("answer").at("bboxes").is_array());
  EXPECT_EQ(record.at("regions").size(), record.at("answer").at("labels").size());
  EXPECT_EQ(record.at("captions").at(0).at("answer"), record.at("answer"));
}

// A task is its prompt: free prompts have a text and no answer.
TEST(Florence2, TaskTokenAndPromptGenerateTheSame) {
  const Outcome by_task = caption({"--task", "<OCR>", "--format", "jsonl", kSampleImage.string()});
  const Outcome by_token = caption({"-p", "<OCR>", "--format", "jsonl", kSampleImage.string()});
  const Outcome free =
      caption({"-p", "What is the text in the image?", "--format", "jsonl", kSampleImage.string()});
  ASSERT_TRUE(exits(free, 0));
  const json record = json::parse(free.out);
  EXPECT_EQ(json::parse(by_task.out).at("captions").at(0).at("ids"), record.at("captions").at(0).at("ids"));
  EXPECT_EQ(json::parse(by_token.out).at("captions"), json::parse(by_task.out).at("captions"));
  EXPECT_TRUE(json::parse(by_task.out).at("answer").is_string());
  EXPECT_FALSE(record.contains("answer"));
}

TEST(Florence2, OneOverlayAnImage) {
  const TempFolder folder;
  const fs::path png = folder.path() / "found.png";
  ASSERT_TRUE(exits(caption({"--task", "od", "--overlay", png.string(), kSampleImage.string()}), 0));
  EXPECT_EQ(image::decode_file(png).width, 320);
  const fs::path all = folder.path() / "all";
  const fs::path namesake = folder.path() / "scene_320x320.jpg";
  fs::copy_file(kOther, namesake);
  ASSERT_TRUE(exits(
      caption({"--task", "od", "--overlay", all.string(), kSampleImage.string(), kOther, namesake.string()}),
      0));
  EXPECT_EQ(image::decode_file(all / "scene_320x320.png").width, 320);
  EXPECT_EQ(image::decode_file(all / "scene_320x320-2.png").width, 640);
  EXPECT_EQ(image::decode_file(all / "scene_640x427.png").width, 640);
}

struct Wrong {
  std::string name;
  Arguments arguments;
  std::string part;
};

class Florence2Refuses : public ::testing::TestWithParam<Wrong> {};

TEST_P(Florence2Refuses, InOneLine) {
  Arguments arguments = GetParam().arguments;
  arguments.push_back(kSampleImage.string());
  EXPECT_TRUE(refuses(caption(arguments), 2, {GetParam().part}));
}

INSTANTIATE_TEST_SUITE_P(
    Table, Florence2Refuses,
    ::testing::Values(
        Wrong{"UnknownTask", {"--task", "detect"}, "ocr-with-region"},
        Wrong{"NeedlessText", {"--task", "od", "-p", "a car"}, "takes no text"},
        Wrong{"MissingText", {"--task", "open-vocabulary-detection"}, "needs a text"},
        Wrong{"MissingRegion", {"--task", "region-to-ocr"}, "needs a region"},
        Wrong{"MalformedRegion", {"--task", "region-to-ocr", "-p", "<loc_1><loc_"}, "location tokens"},
        Wrong{"OddRegion", {"--task", "region-to-ocr", "-p", "1,2,3,4,5"}, "odd number"},
        Wrong{"LongPrompt", {"-p", std::string(2000, 'x')}, "shorten the prompt"},
        Wrong{"NothingToDraw", {"--task", "caption", "--overlay", "/tmp/x.png"}, "--task od"},
        Wrong{"OverTheImage", {"--task", "od", "--overlay", kSampleImage.string()}, "would write over"}),
    [](const auto& test) { return test.param.name; });

TEST(Florence2, ARegionOutsideIsThatImagesFailure) {
  const Outcome outcome =
      caption({"--task", "region-to-ocr", "-p", "400,10,500,20", kSampleImage.string(), kOther});
  EXPECT_TRUE(exits(outcome, 1));
  ASSERT_EQ(error_lines(outcome).size(), 1u);
  EXPECT_NE(error_lines(outcome)[0].find("outside the image of 320 x 320"), std::string::npos);
}

TEST(Florence2, AFolderWithoutAGraphIsRefused) {
  for (const char* stem : {"embed_tokens", "encoder_model", "vision_encoder", "decoder_model_merged"}) {
    const TempFolder folder;
    fs::copy(kModel, folder.path(), fs::copy_options::recursive);
    fs::remove(folder.path() / "onnx" / (std::string(stem) + ".onnx"));
    EXPECT_TRUE(refuses(
        run_vulcap({"caption", "--device", "cpu", "-m", folder.path().string(), kSampleImage.string()}), 3,
        {folder.path().string() + ": no "}))
        << stem;
  }
}

}  // namespace
}  // namespace vulcap::testing
