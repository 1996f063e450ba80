// vulcap tokenize and vulcap merge-lora as their users call them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const std::string kTokenizer = (kTestData / "tokenizers" / "bert-uncased").string();

TEST(Tokenize, PrintsIdsOffsetsAndTokens) {
  const Outcome outcome = run_vulcap({"tokenize", "-m", kTokenizer, "a b"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(lines_of(outcome.out).size(), 4u) << outcome.out;
  EXPECT_NE(outcome.out.find("[CLS]"), std::string::npos);
  const Outcome bare = run_vulcap({"tokenize", "-m", kTokenizer, "a b", "--no-special-tokens"});
  EXPECT_EQ(lines_of(bare.out).size(), 2u) << bare.out;
}

TEST(Tokenize, ThereAndBackAgain) {
  const Outcome there = run_vulcap({"tokenize", "-m", kTokenizer, "the two", "--format", "jsonl"});
  ASSERT_TRUE(exits(there, 0));
  const auto record = nlohmann::json::parse(there.out);
  EXPECT_EQ(record.at("ids").size(), record.at("tokens").size());
  EXPECT_EQ(record.at("offsets").at(1), nlohmann::json::array({0, 3}));
  const Outcome back =
      run_vulcap({"tokenize", "-m", kTokenizer, "--decode", "--no-special-tokens", record.at("ids").dump()});
  ASSERT_TRUE(exits(back, 0));
  EXPECT_EQ(back.out, "the two\n");
}

TEST(Tokenize, RefusesWhatItCannotRead) {
  EXPECT_TRUE(refuses(run_vulcap({"tokenize", "-m", "/no/such/folder", "a"}), 3, {"/no/such/folder"}));
  EXPECT_TRUE(refuses(run_vulcap({"tokenize", "-m", kTokenizer, "--decode", "1 x"}), 2, {"--decode", "1 x"}));
  EXPECT_TRUE(refuses(run_vulcap({"tokenize", "-m", kTokenizer, "\xff"}), 1, {"UTF-8"}));
}

const fs::path kLora = kTestData / "lora" / "renamed";

TEST(MergeLora, WritesTheModel) {
  TempFolder folder;
  const Outcome outcome = run_vulcap({"merge-lora", (kLora / "model.onnx").string(),
                                      (kLora / "adapter").string(), "-o", (folder / "out.onnx").string()});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("2 modules merged, 2 weights changed"), std::string::npos) << outcome.out;
  EXPECT_TRUE(fs::exists(folder / "out.onnx"));
}

TEST(MergeLora, RefusesWhatDoesNotFit) {
  TempFolder folder;
  const std::string out = (folder / "out.onnx").string();
  const std::string model = (kLora / "model.onnx").string(), adapter = (kLora / "adapter").string();
  EXPECT_TRUE(refuses(run_vulcap({"merge-lora", model, adapter}), 2, {"--output"}));
  EXPECT_TRUE(refuses(run_vulcap({"merge-lora", model, kTokenizer, "-o", out}), 3, {"adapter_config.json"}));
  const std::string other = (kTestData / "lora" / "embedding" / "adapter").string();
  EXPECT_TRUE(
      refuses(run_vulcap({"merge-lora", model, other, "-o", out}), 3, {"no weights", "embed_tokens"}));
  EXPECT_TRUE(refuses(run_vulcap({"merge-lora", model, adapter, "-o", "/no/such/folder/out.onnx"}), 1,
                      {"cannot be written"}));
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace vulcap::testing
