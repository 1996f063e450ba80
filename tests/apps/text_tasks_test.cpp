// classify, ner, qa and fill-mask as a user runs them: arguments, files and stdin in; text, json and jsonl
// out; what is refused. That the numbers are right is for `vulcap verify` (tests/families).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

const fs::path kFamilies = fs::path(VULCAP_TEST_DATA) / "families";

Outcome run(const std::string& command, const std::string& model, Arguments arguments) {
  arguments.insert(arguments.begin(), {command, "-m", (kFamilies / model).string(), "--device", "cpu"});
  return run_vulcap(arguments);
}

json parsed(const Outcome& outcome) {
  EXPECT_TRUE(exits(outcome, 0));
  return json::parse(outcome.out);
}

// The first case of a golden folder, run without further arguments.
json expected(const std::string& model) {
  return json::parse(read_file(kFamilies / model / "expected" / "pipeline.json")).at("cases").at(0);
}

TEST(Classify, JsonIsThatOfThePipeline) {
  const std::string model = "albert-text-classification";
  const json item = expected(model);
  const std::string text = item.at("input");
  const json one = parsed(run("classify", model, {text, "--format", "json"}));
  EXPECT_EQ(one.at(0).at("label"), item.at("expected").at(0).at("label"));
  const json best = parsed(run("classify", model, {text, "a", "--format", "json"}));
  EXPECT_EQ(best.at(0), one.at(0));
  const json two =
      parsed(run("classify", model, {text, "a", "--top_k", "all", "-b", "2", "--format", "json"}));
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two.at(1).size(), 3u);
}

TEST(Classify, TextAndJsonLines) {
  const std::string model = "albert-text-classification";
  const Outcome table = run("classify", model, {"good", "bad", "--top-k", "3"});
  ASSERT_TRUE(exits(table, 0));
  EXPECT_EQ(lines_of(table.out).size(), 8u) << table.out;
  EXPECT_EQ(lines_of(table.out)[0], "good");
  const Outcome lines = run("classify", model, {"good", "bad", "--format", "jsonl"});
  ASSERT_TRUE(exits(lines, 0));
  ASSERT_EQ(lines_of(lines.out).size(), 2u);
  EXPECT_EQ(json::parse(lines_of(lines.out)[1]).at("input"), "bad");
}

TEST(Classify, OneBadInputDoesNotStopTheOthers) {
  std::string longer;
  for (int i = 0; i < 200; ++i) longer += "word ";
  const Outcome outcome =
      run("classify", "albert-text-classification", {"good", longer, "bad", "-b", "3", "--format", "jsonl"});
  EXPECT_TRUE(exits(outcome, 1));
  ASSERT_EQ(lines_of(outcome.out).size(), 3u);
  EXPECT_TRUE(json::parse(lines_of(outcome.out)[1]).contains("error"));
  EXPECT_TRUE(json::parse(lines_of(outcome.out)[2]).contains("result"));
  EXPECT_EQ(error_lines(outcome).size(), 1u);
}

TEST(Classify, ImagesChoicesAndLabels) {
  const std::string image = (kFamilies / "task-images" / "drawing_97x64.png").string();
  const json images = parsed(run("classify", "vit-image-classification", {image, "--format", "json"}));
  EXPECT_EQ(images.size(), 5u);
  const json choice = parsed(
      run("classify", "bert-multiple-choice", {"a", "--choice", "b", "--choice", "c", "--format", "json"}));
  EXPECT_EQ(choice.at("logits").size(), 2u);
  const json labels =
      parsed(run("classify", "deberta-v2-zero-shot", {"a", "--labels", "x, y,z", "--format", "json"}));
  EXPECT_EQ(labels.at("labels").size(), 3u);
}

TEST(Classify, RefusedUsage) {
  const std::string model = "albert-text-classification";
  EXPECT_TRUE(refuses(run_vulcap({"classify", "text"}), 2, {"--model"}));
  EXPECT_TRUE(refuses(run("classify", model, {}), 2, {"no input"}));
  EXPECT_TRUE(refuses(run("classify", model, {"a", "--top-k", "some"}), 2, {"--top-k", "some"}));
  EXPECT_TRUE(refuses(run("classify", model, {"a", "--truncation", "middle"}), 2, {"truncation", "middle"}));
  EXPECT_TRUE(refuses(run("classify", model, {"a", "--choice", "b"}), 2, {"multiple-choice"}));
  EXPECT_TRUE(refuses(run("classify", "bert-multiple-choice", {"a"}), 2, {"--choice"}));
  EXPECT_TRUE(
      refuses(run("classify", "vit-image-classification", {"a.png", "--labels", "b"}), 2, {"--labels"}));
  EXPECT_TRUE(refuses(run("classify", "bert-fill-mask", {"a"}), 3, {"no text classifier", "rank 3"}));
  EXPECT_TRUE(refuses(run("ner", model, {"a"}), 3, {"no token classifier"}));
  EXPECT_TRUE(refuses(run("ner", "bert-token-classification", {"a", "--aggregation-strategy", "mean"}), 2,
                      {"aggregation_strategy", "mean"}));
}

TEST(Ner, EntitiesOfAFile) {
  const std::string model = "bert-token-classification";
  const TempFolder folder;
  write_file(folder.path() / "texts", "Clara lives in Berlin.\r\n\nAnd Wolfgang?\n");
  const Outcome outcome = run("ner", model, {"-f", (folder.path() / "texts").string(), "--format", "json"});
  EXPECT_EQ(parsed(outcome).size(), 2u);
  const Outcome table = run("ner", model, {"Clara lives in Berlin.", "--ignore-labels", ""});
  EXPECT_GT(lines_of(table.out).size(), 4u) << table.out;
}

TEST(Qa, AnswersHavePlaces) {
  const json item = expected("bert-question-answering");
  const Outcome outcome = run("qa", "bert-question-answering",
                              {item.at("input").at("question").get<std::string>(), "-c",
                               item.at("input").at("context").get<std::string>(), "--format", "json"});
  const json answer = parsed(outcome);
  EXPECT_EQ(answer.at("answer"), item.at("expected").at("answer"));
  EXPECT_EQ(answer.at("start"), item.at("expected").at("start"));
  EXPECT_TRUE(refuses(run("qa", "bert-question-answering", {"Who?"}), 2, {"context is empty"}));
}

TEST(FillMask, TokensAndSequences) {
  const Outcome outcome = run("fill-mask", "bert-fill-mask", {"I live in [MASK].", "--top-k", "2"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(lines_of(outcome.out).size(), 2u) << outcome.out;
  EXPECT_TRUE(exits(run("fill-mask", "bert-fill-mask", {"no mask"}), 1));
}

}  // namespace
}  // namespace vulcap::testing
