// Inputs and folders that the text tasks refuse, each in one line with the right code, and arguments that
// change what the golden cases do not.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "loader/read_json.h"
#include "loader/tasks/mask_filler.h"
#include "loader/tasks/question_answerer.h"
#include "loader/tasks/text_classifier.h"
#include "loader/tasks/token_classifier.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"
#include "tests/families/error_of.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;
using test::expect_error;

session::Device& cpu() {
  static const session::OpenedDevice opened = [] {
    session::DeviceRequest request;
    request.device = "cpu";
    return session::open_device(request);
  }();
  return *opened.device;
}

fs::path golden(const std::string& name) { return fs::path(VULCAP_TEST_DATA) / "families" / name; }

// A copy of a golden folder, one of its JSON files changed.
class ChangedFolder {
 public:
  ChangedFolder(const std::string& name, const std::string& file,
                const std::function<void(nlohmann::json&)>& change) {
    fs::copy(golden(name), folder_.path(), fs::copy_options::recursive);
    nlohmann::json json = read_json(folder_ / file);
    change(json);
    onnx_test::write_file(folder_ / file, json.dump());
  }
  const fs::path& path() const { return folder_.path(); }

 private:
  onnx_test::TempFolder folder_;
};

std::vector<std::vector<LabelScore>> classify(TextClassifier& classifier, const std::string& text,
                                              const ClassifyOptions& options = {}) {
  const TextInput input{text, ""};
  return classifier.classify(std::span(&input, 1), options);
}

TEST(TextClassifierInput, LabelsMustCoverTheLogits) {
  const ChangedFolder folder("albert-text-classification", "config.json",
                             [](auto& config) { config.erase("id2label"); });
  TextClassifier classifier(folder.path(), cpu(), {});
  expect_error(ErrorCode::kInvalidModel, "scores 3 labels but config.json names 2",
               [&] { classify(classifier, "good"); });
  const ChangedFolder bad("albert-text-classification", "config.json",
                          [](auto& config) { config["id2label"] = "none"; });
  expect_error(ErrorCode::kInvalidModel, "config.json: id2label must be",
               [&] { TextClassifier(bad.path(), cpu(), {}); });
}

TEST(TextClassifierInput, TextsLongerThanTheTableOfPositions) {
  TextClassifier classifier(golden("albert-text-classification"), cpu(), {});
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word ";
  expect_error(ErrorCode::kRuntime, "but the model has positions for 128",
               [&] { classify(classifier, text); });
  ClassifyOptions cut;
  cut.tokenize.truncation = truncation_named("true");
  EXPECT_EQ(classify(classifier, text, cut).size(), 1u);
  expect_error(ErrorCode::kRuntime, "UTF-8", [&] { classify(classifier, "\xff"); });
  expect_error(ErrorCode::kUsage, "truncation is", [] { truncation_named("middle"); });
}

TEST(TextClassifierInput, BatchesAgreeWithSingleTexts) {
  TextClassifier classifier(golden("albert-text-classification"), cpu(), {});
  const std::vector<TextInput> inputs = {{"a", ""}, {"The food was terrible.", "a pair"}, {"Why not?", ""}};
  ClassifyOptions options;
  options.top_k = std::nullopt;
  const auto together = classifier.classify(inputs, options, 3);
  ASSERT_EQ(together.size(), 3u);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto alone = classifier.classify(std::span(&inputs[i], 1), options)[0];
    for (size_t k = 0; k < alone.size(); ++k) {
      EXPECT_EQ(together[i][k].label, alone[k].label);
      EXPECT_NEAR(together[i][k].score, alone[k].score, 1e-5f);
    }
  }
}

TEST(TextClassifierInput, ZeroShotWarnsWhereNoLabelEntails) {
  const ChangedFolder folder("deberta-v2-zero-shot", "config.json", [](auto& config) {
    config.erase("label2id");
    config["id2label"] = {{"0", "no"}, {"1", "maybe"}, {"2", "yes"}};
  });
  TextClassifier classifier(folder.path(), cpu(), {});
  EXPECT_TRUE(classifier.warnings().empty());
  EXPECT_EQ(classifier.classify_zero_shot("text", {"a", "b"}, {}).size(), 2u);
  ASSERT_EQ(classifier.warnings().size(), 1u);
  expect_error(ErrorCode::kUsage, "needs labels", [&] { classifier.classify_zero_shot("text", {}, {}); });
  expect_error(ErrorCode::kUsage, "hypothesis template", [&] {
    classifier.classify_zero_shot("text", {"a"}, {"no place", false});
  });
}

TEST(TextClassifierInput, GraphsOfOtherTasksAreTurnedDown) {
  expect_error(ErrorCode::kInvalidModel, "no text classifier (input_ids -> logits)",
               [] { TextClassifier(golden("bert-fill-mask"), cpu(), {}); });
  expect_error(ErrorCode::kInvalidModel, "rank 3, not 2",
               [] { TextClassifier(golden("bert-multiple-choice"), cpu(), {}); });
  EXPECT_TRUE(is_choice_model(golden("bert-multiple-choice"), {}));
  EXPECT_FALSE(is_choice_model(golden("albert-text-classification"), {}));
}

// A folder whose graph gives zeros of one shape, whatever it reads.
class ConstantFolder : public ChangedFolder {
 public:
  ConstantFolder(const std::string& name, const std::vector<int64_t>& shape)
      : ChangedFolder(name, "config.json", [](auto&) {}) {
    onnx_test::proto::ModelProto model = onnx_test::empty_model();
    auto* graph = model.mutable_graph();
    using Type = onnx_test::proto::TensorProto;
    onnx_test::set_value(graph->add_input(), "input_ids", Type::INT64, {-1, -1});
    onnx_test::set_value(graph->add_output(), "logits", Type::FLOAT, std::vector<int64_t>(shape.size(), -1));
    auto* zeros = onnx_test::add_tensor(graph, "zeros", Type::FLOAT, shape);
    int64_t count = 1;
    for (const int64_t dim : shape) count *= dim;
    for (int64_t i = 0; i < count; ++i) zeros->add_float_data(0);
    onnx_test::add_node(graph, "Identity", {"zeros"}, {"logits"});
    onnx_test::write_file(path() / "model.onnx", model.SerializeAsString());
  }
};

TEST(TextGraphs, OutputsOfAnotherShapeThanTheInputsCallFor) {
  const ConstantFolder batch("albert-text-classification", {2, 3});
  TextClassifier classifier(batch.path(), cpu(), {});
  expect_error(ErrorCode::kInvalidModel, "logits has shape [2,3] where rank 2 and a batch of 1",
               [&] { classify(classifier, "a"); });
  const ConstantFolder length("bert-token-classification", {1, 2, 9});
  TokenClassifier tokens(length.path(), cpu(), {});
  expect_error(ErrorCode::kInvalidModel, "tokens went in", [&] { tokens.find_entities("a b c d", {}); });
}

TEST(TokenClassifierInput, Windows) {
  TokenClassifier classifier(golden("bert-token-classification"), cpu(), {});
  EntityOptions options;
  options.stride = 4;
  expect_error(ErrorCode::kUsage, "aggregation_strategy none",
               [&] { classifier.find_entities("a", options); });
  options.aggregation = Aggregation::kSimple;
  options.max_length = 4;
  expect_error(ErrorCode::kUsage, "stride 4 must be less", [&] { classifier.find_entities("a", options); });
  EXPECT_TRUE(classifier.find_entities("", {}).empty());
}

TEST(QuestionAnswererInput, WhatCannotBeAnswered) {
  QuestionAnswerer answerer(golden("bert-question-answering"), cpu(), {});
  const std::string context = "Clara lives in Berlin.";
  expect_error(ErrorCode::kUsage, "question is empty", [&] { answerer.answer("", context, {}); });
  expect_error(ErrorCode::kUsage, "context is empty", [&] { answerer.answer("Who?", "", {}); });
  QuestionOptions options;
  options.max_seq_len = 8;
  expect_error(ErrorCode::kRuntime, "raise max_length", [&] {
    answerer.answer("Which of the many towns in the whole wide world does she live in?", context, options);
  });
  options.doc_stride = 9;
  expect_error(ErrorCode::kUsage, "doc_stride 9 is larger",
               [&] { answerer.answer("Who?", context, options); });
  options.top_k = 0;
  expect_error(ErrorCode::kUsage, "top_k", [&] { answerer.answer("Who?", context, options); });
  EXPECT_EQ(answerer.answer("Who?", "   ", {})[0].text, "");
}

TEST(MaskFillerInput, MasksAndTargets) {
  MaskFiller filler(golden("bert-fill-mask"), cpu(), {});
  expect_error(ErrorCode::kRuntime, "no mask token [MASK]", [&] { filler.fill("nothing to fill", {}); });
  FillOptions options;
  options.targets = {"the", "the", "zebracorn"};
  EXPECT_EQ(filler.fill("a [MASK] b", options)[0].size(), 2u);
  ASSERT_EQ(filler.warnings().size(), 1u);
  EXPECT_NE(filler.warnings()[0].find("'zebracorn' is not in the vocabulary"), std::string::npos);
  options.targets = {" "};
  expect_error(ErrorCode::kUsage, "none of the targets", [&] { filler.fill("a [MASK] b", options); });
  options = {};
  options.top_k = 1'000'000;
  EXPECT_GT(filler.fill("a [MASK] b", options)[0].size(), 100u);
}

TEST(MaskFillerInput, TokenizerWithoutAMask) {
  const ChangedFolder folder("bert-fill-mask", "tokenizer_config.json",
                             [](auto& config) { config.erase("mask_token"); });
  fs::remove(folder.path() / "special_tokens_map.json");
  expect_error(ErrorCode::kInvalidModel, "names no mask_token",
               [&] { MaskFiller(folder.path(), cpu(), {}); });
}

}  // namespace
}  // namespace vulcap::loader
