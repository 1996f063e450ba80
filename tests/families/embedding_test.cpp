// Pooling, similarity, and the files of sentence-transformers.
#include "loader/embeddings/embedding.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "loader/embeddings/pooling.h"
#include "loader/embeddings/sentence_config.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string error_of(const std::function<void()>& action, core::ErrorCode code) {
  try {
    action();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
    return error.message();
  }
  return "no error";
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" lacks \"" << part << "\"";
}

// Three tokens of width 2, the last one padding.
const std::vector<float> kTokens = {1, -4, 3, 2, 100, 100};
const std::vector<int64_t> kMask = {1, 1, 0};

std::vector<float> pooled(const json& config, int64_t prompt_length = 0) {
  return pool(kTokens, kMask, prompt_length, parse_pooling_config(config, "config.json"));
}

json only(const std::string& mode) {
  return {{"pooling_mode_mean_tokens", false}, {"pooling_mode_" + mode, true}};
}

TEST(Pooling, EachMode) {
  const float root = std::sqrt(2.0f);
  EXPECT_EQ(pooled(json::object()), (std::vector<float>{2, -1}));
  EXPECT_EQ(pooled(only("cls_token")), (std::vector<float>{1, -4}));
  EXPECT_EQ(pooled(only("max_tokens")), (std::vector<float>{3, 2}));
  EXPECT_EQ(pooled(only("mean_sqrt_len_tokens")), (std::vector<float>{4 / root, -2 / root}));
  EXPECT_EQ(pooled(only("weightedmean_tokens")), (std::vector<float>{7.0f / 3, 0}));
  EXPECT_EQ(pooled(only("lasttoken")), (std::vector<float>{3, 2}));
  EXPECT_EQ(pooled({{"pooling_mode", "max"}}), (std::vector<float>{3, 2}));
}

TEST(Pooling, SeveralModesStandBehindEachOther) {
  const json config = {{"pooling_mode_cls_token", true}, {"pooling_mode_lasttoken", true}};
  EXPECT_EQ(pooled(config), (std::vector<float>{1, -4, 2, -1, 3, 2}));
}

TEST(Pooling, PromptMayBeLeftOut) {
  EXPECT_EQ(pooled({{"include_prompt", false}}, 1), (std::vector<float>{3, 2}));
  EXPECT_EQ(pooled({{"include_prompt", true}}, 1), (std::vector<float>{2, -1}));
  EXPECT_EQ(pooled({{"include_prompt", false}}, 5), (std::vector<float>{0, 0}));
}

TEST(Pooling, RefusesWhatItDoesNotKnow) {
  const auto message = [](const json& config) {
    return error_of([&] { parse_pooling_config(config, "1_Pooling/config.json"); },
                    core::ErrorCode::kInvalidModel);
  };
  expect_contains(message({{"pooling_mode_attention", true}}),
                  "1_Pooling/config.json: \"pooling_mode_attention\"");
  expect_contains(message({{"pooling_mode", "middle"}}), "lasttoken");
  expect_contains(message({{"pooling_mode_mean_tokens", false}}), "no pooling mode");
  expect_contains(message({{"pooling_mode_mean_tokens", "yes"}}), "true or false");
  expect_contains(message({{"word_embedding_dimension", -1}}), "word_embedding_dimension");
}

Embedding vectors(int64_t width, std::vector<float> values) {
  return {values, int64_t(values.size()) / width, width, {}};
}

TEST(Similarity, EachFunction) {
  const Embedding a = vectors(2, {3, 4}), b = vectors(2, {4, 3});
  EXPECT_NEAR(score(Similarity::kCosine, a, b), 0.96, 1e-12);
  EXPECT_NEAR(score(Similarity::kDot, a, b), 24, 1e-12);
  EXPECT_NEAR(score(Similarity::kEuclidean, a, b), -std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(score(Similarity::kManhattan, a, b), -2, 1e-12);
  EXPECT_EQ(score(Similarity::kCosine, a, vectors(2, {0, 0})), 0);
}

TEST(Similarity, LateInteractionTakesTheBestOfEachQueryVector) {
  const Embedding query = vectors(2, {1, 0, 0, 1}), page = vectors(2, {2, -1, 1, -3, 0, -2});
  EXPECT_EQ(score(Similarity::kLateInteraction, query, page), 2 - 1);
}

TEST(Similarity, RefusesWhatCannotBeCompared) {
  const Embedding two = vectors(2, {1, 2}), three = vectors(3, {1, 2, 3}), many = vectors(2, {1, 2, 3, 4});
  expect_contains(error_of([&] { score(Similarity::kCosine, two, three); }, core::ErrorCode::kRuntime),
                  "width 2 and 3");
  expect_contains(error_of([&] { score(Similarity::kCosine, two, many); }, core::ErrorCode::kRuntime),
                  "late_interaction");
  expect_contains(error_of([] { parse_similarity("angle"); }, core::ErrorCode::kUsage), "'angle'");
  EXPECT_EQ(parse_similarity("dot_product"), Similarity::kDot);
  EXPECT_EQ(similarity_name(Similarity::kDot), "dot");
}

TEST(Similarity, RowsAreScaledToLengthOne) {
  Embedding embedding = vectors(2, {3, 4, 0, 0});
  normalize_rows(embedding);
  EXPECT_EQ(embedding.values, (std::vector<float>{0.6f, 0.8f, 0, 0}));
}

// A folder of settings files.
class SentenceConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / ("vulcap_sentence_config_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    write("1_Pooling/config.json", {{"word_embedding_dimension", 2}});
    write("modules.json", modules({"Transformer", "Pooling", "Normalize"}));
  }
  void TearDown() override { fs::remove_all(dir_); }

  static json modules(const std::vector<std::string>& types) {
    json list = json::array();
    for (size_t i = 0; i < types.size(); ++i) {
      const bool in_package = types[i].find('.') == std::string::npos;
      list.push_back({{"idx", i},
                      {"name", std::to_string(i)},
                      {"path", i == 0 ? "" : std::to_string(i) + "_" + types[i]},
                      {"type", (in_package ? "sentence_transformers.models." : "") + types[i]}});
    }
    return list;
  }
  void write(const std::string& name, const json& content) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << content.dump();
  }
  std::string error() {
    return error_of([&] { read_sentence_config(dir_); }, core::ErrorCode::kInvalidModel);
  }

  fs::path dir_;
};

TEST_F(SentenceConfigTest, ReadsModulesAndPrompts) {
  write("sentence_bert_config.json", {{"max_seq_length", 77}, {"do_lower_case", true}});
  write("config_sentence_transformers.json", {{"prompts", {{"query", "q: "}, {"passage", "p: "}}},
                                              {"default_prompt_name", "passage"},
                                              {"similarity_fn_name", "dot"}});
  const SentenceConfig config = read_sentence_config(dir_);
  EXPECT_TRUE(config.has_modules);
  EXPECT_EQ(config.modules.size(), 2u);
  EXPECT_EQ(config.max_seq_length, 77);
  EXPECT_TRUE(config.do_lower_case);
  EXPECT_EQ(config.prompts.at("query"), "q: ");
  EXPECT_EQ(config.prompts.at("document"), "");
  EXPECT_EQ(config.default_prompt_name, "passage");
  EXPECT_EQ(config.similarity, Similarity::kDot);
}

TEST_F(SentenceConfigTest, WithoutModulesTheMeanIsTaken) {
  fs::remove(dir_ / "modules.json");
  const SentenceConfig config = read_sentence_config(dir_);
  EXPECT_FALSE(config.has_modules);
  ASSERT_EQ(config.modules.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<PoolingConfig>(config.modules[0]));
}

TEST_F(SentenceConfigTest, SaysWhatIsWrong) {
  write("modules.json", modules({"Transformer", "WeightedLayerPooling"}));
  expect_contains(
      error(),
      "modules.json: module class 'sentence_transformers.models.WeightedLayerPooling' is not supported");
  write("modules.json", modules({"Transformer", "custom.Pooling"}));
  expect_contains(error(), "'custom.Pooling'");
  write("modules.json", modules({"Pooling"}));
  expect_contains(error(), "first module");
  write("modules.json", json::object());
  expect_contains(error(), "list of modules");
  write("modules.json", json::array({{{"type", 3}}}));
  expect_contains(error(), "\"type\" must be a string");
  write("modules.json", modules({"Transformer", "Pooling"}));
  write("sentence_bert_config.json", {{"max_seq_length", 0}});
  expect_contains(error(), "sentence_bert_config.json: \"max_seq_length\"");
  write("sentence_bert_config.json", json::object());
  write("config_sentence_transformers.json", {{"default_prompt_name", "query2"}});
  expect_contains(error(), "'query2' is none of the prompts");
  write("config_sentence_transformers.json", {{"similarity_fn_name", "angle"}});
  expect_contains(error(), "unknown similarity 'angle'");
}

// A safetensors file of f32 tensors.
void write_weights(const fs::path& path,
                   const std::vector<std::tuple<std::string, json, std::vector<float>>>& tensors) {
  json header = json::object();
  std::string data;
  for (const auto& [name, shape, values] : tensors) {
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&size), 8) << text << data;
}

TEST_F(SentenceConfigTest, DenseIsAppliedAndChecked) {
  write("modules.json", modules({"Transformer", "Pooling", "Dense"}));
  write("2_Dense/config.json", {{"activation_function", "torch.nn.modules.activation.Tanh"}});
  expect_contains(error(), "model.safetensors: missing");
  write_weights(dir_ / "2_Dense/model.safetensors",
                {{"linear.weight", {1, 2}, {2, 1}}, {"linear.bias", {1}, {-4}}});
  const SentenceConfig config = read_sentence_config(dir_);
  const Dense& dense = std::get<Dense>(config.modules.at(1));
  EXPECT_FLOAT_EQ(apply_dense(dense, std::vector<float>{1, 2.5f}).at(0), std::tanh(0.5f));
  expect_contains(
      error_of([&] { apply_dense(dense, std::vector<float>{1}); }, core::ErrorCode::kInvalidModel),
      "width 2");
  write_weights(dir_ / "2_Dense/model.safetensors",
                {{"linear.weight", {1, 2}, {2, 1}}, {"linear.bias", {2}, {0, 0}}});
  expect_contains(error(), "linear.bias has 2 numbers");
  write("2_Dense/config.json", {{"activation_function", "my.Swish"}});
  expect_contains(error(), "my.Swish");
}

}  // namespace
}  // namespace vulcap::loader
