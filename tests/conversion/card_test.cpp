// Model cards: what they say of a folder, as its user sees it.
#include "loader/conversion/card/card.h"

#include "loader/conversion/card/front_matter.h"
#include "loader/conversion/card/hub_task.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

class Card : public ::testing::Test {
 protected:
  Card() { fs::copy(kTestData / "recipes/git", model(), fs::copy_options::recursive); }

  fs::path model() const { return folder / "tiny-git"; }
  Outcome card(const Arguments& more) const {
    Arguments arguments = {"card", model().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_vulcap(arguments);
  }

  TempFolder folder;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CardYaml, TextsStayTexts) {
  EXPECT_EQ(card::yaml_text("apache-2.0"), "apache-2.0");
  EXPECT_EQ(card::yaml_text("org/name"), "org/name");
  for (const char* text :
       {"no", "On", "null", "1.0", "", "a: b", "- x", "#1", "x y", "~", "caf\xc3\xa9", "a\"b\n"})
    EXPECT_EQ(card::yaml_text(text).front(), '"') << text;
  EXPECT_EQ(card::yaml_text("a\"b\n"), R"("a\"b\n")");
}

TEST(CardTask, IsFoundInTheFolder) {
  const fs::path families = kTestData / "families";
  const auto task = [&](const char* folder, const char* config) {
    return card::hub_task(families / folder, nlohmann::json::parse(config));
  };
  EXPECT_EQ(task("git", "{}"), "image-to-text");
  EXPECT_EQ(task("bert-token-classification", "{}"), "token-classification");
  EXPECT_EQ(task("images", R"({"model_type": "whisper"})"), "automatic-speech-recognition");
  EXPECT_EQ(task("images", R"({"model_type": "x", "architectures": ["BertForMaskedLM"]})"), "fill-mask");
  EXPECT_EQ(task("images", R"({"model_type": 3, "architectures": [3]})"), "");
}

TEST(CardTask, EverySubcommandOfAUsageExists) {
  for (const char* task : {"image-to-text", "sentence-similarity", "fill-mask", "question-answering"}) {
    const std::string usage(card::usage_of(task));
    ASSERT_FALSE(usage.empty()) << task;
    const std::string command = usage.substr(7, usage.find(' ', 7) - 7);
    EXPECT_TRUE(exits(run_vulcap({command, "--help"}), 0)) << command;
  }
}

loader::VerifyRow row(const char* subject, bool pass, double max_rel, const char* note = "") {
  loader::VerifyRow result;
  result.subject = subject;
  result.output = "logits";
  result.pass = pass;
  result.max_rel = max_rel;
  result.note = note;
  return result;
}

TEST(CardVerification, CountsRows) {
  card::Verification verification;
  verification.take(row("encoder_model/0", true, 2e-6));
  verification.take(row("pipeline/a", true, 1));
  loader::VerifyRow skipped = row("pipeline/b", false, 0, "no images");
  skipped.skipped = true;
  verification.take(skipped);
  EXPECT_TRUE(verification.passed());
  verification.take(row("decoder_model/0", false, 0.5, "too far"));
  EXPECT_EQ(verification.graph_outputs, 2u);
  EXPECT_EQ(verification.graph_outputs_passed, 1u);
  EXPECT_EQ(verification.cases, 1u);
  EXPECT_EQ(verification.largest, 0.5);
  EXPECT_EQ(verification.skipped, std::vector<std::string>{"pipeline/b (no images)"});
  EXPECT_EQ(verification.first_failure, "decoder_model/0 logits: too far");
}

TEST_F(Card, SaysWhatTheFolderHolds) {
  const Outcome outcome = card({"--license", "mit", "--base-model", "org/base", "--language", "en,no",
                                "--tag", "tiny", "--repository", "me/tiny-git"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, (model() / "README.md").string() + "\n");
  const std::string text = read_file(model() / "README.md");
  EXPECT_TRUE(
      text.starts_with("---\nlicense: mit\nlanguage:\n- en\n- \"no\"\nlibrary_name: onnx\n"
                       "pipeline_tag: image-to-text\ntags:\n- onnx\n- git\n- tiny\nbase_model: org/base\n"
                       "---\n# me/tiny-git\n"))
      << text;
  EXPECT_TRUE(has(text, "vulcap caption -m me/tiny-git photo.jpg")) << text;
  EXPECT_TRUE(has(text, "`onnx/encoder_model.onnx` | fp32 | ")) << text;
  EXPECT_TRUE(has(text, "`tokenizer.json`")) << text;
  EXPECT_TRUE(has(text, "| cpu (")) << text;
}

TEST_F(Card, WarnsOfWhatIsMissing) {
  const Outcome outcome = card({"--no-verify", "-o", "-"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_TRUE(has(outcome.err, "no licence")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "no base model")) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "## How it was verified\nIt was not.\n")) << outcome.out;
  EXPECT_FALSE(fs::exists(model() / "README.md"));
}

TEST_F(Card, SaysWhenThereAreNoAnswers) {
  fs::remove_all(model() / "expected");
  const Outcome outcome = card({});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_TRUE(has(outcome.err, "has no expected/ folder")) << outcome.err;
  EXPECT_TRUE(has(read_file(model() / "README.md"), "It was not.\n"));
}

TEST_F(Card, AnExistingCardStays) {
  write_file(model() / "README.md", "mine");
  EXPECT_TRUE(refuses(card({"--no-verify"}), 2, {"README.md exists; --force replaces it"}));
  EXPECT_EQ(read_file(model() / "README.md"), "mine");
  EXPECT_TRUE(exits(card({"--no-verify", "--force"}), 0));
  EXPECT_NE(read_file(model() / "README.md"), "mine");
}

TEST_F(Card, NoCardForAModelThatAnswersOtherwise) {
  std::string answers = read_file(model() / "expected/pipeline.json");
  const size_t at = answers.find("\"texts\": [");
  ASSERT_NE(at, answers.npos);
  answers.insert(answers.find('"', at + 10) + 1, "not ");
  write_file(model() / "expected/pipeline.json", answers);
  EXPECT_TRUE(refuses(card({}), 6, {"no card", "answers differ on cpu", "expected \"not "}));
  EXPECT_FALSE(fs::exists(model() / "README.md"));
}

TEST_F(Card, BadInputIsOneLine) {
  EXPECT_TRUE(refuses(run_vulcap({"card", (folder / "none").string()}), 3, {"none"}));
  fs::create_directories(folder / "bare");
  EXPECT_TRUE(refuses(run_vulcap({"card", (folder / "bare").string()}), 3, {"has no .onnx file"}));
  EXPECT_TRUE(refuses(card({"--repository", "a/b/c"}), 2, {"--repository takes org/name"}));
  EXPECT_TRUE(refuses(card({"--relation", "copy"}), 2, {"--relation"}));
  write_file(model() / "decoder_model_q4.onnx", "this is no model");
  EXPECT_TRUE(refuses(card({}), 3, {"decoder_model_q4.onnx"}));
}

}  // namespace
}  // namespace vulcap::testing
