// Embedders beyond what the golden cases ask: the prompts of the processors, folders of other layouts, inputs
// that are refused.
#include "loader/tasks/embedder.h"

#include <gtest/gtest.h>

#include <functional>

#include "loader/image/decode.h"
#include "loader/read_json.h"
#include "loader/tasks/zero_shot_image_classifier.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"
#include "tests/families/error_of.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;
using nlohmann::json;
using test::expect_error;
using Ids = std::vector<int64_t>;

session::Device& cpu() {
  static const session::OpenedDevice opened = [] {
    session::DeviceRequest request;
    request.device = "cpu";
    return session::open_device(request);
  }();
  return *opened.device;
}

// A copy of a golden folder to change.
class Copy {
 public:
  explicit Copy(const std::string& name) {
    fs::copy(fs::path(VULCAP_TEST_DATA) / "families" / name, folder_.path(), fs::copy_options::recursive);
  }
  // Lays `fields` over a JSON file, which need not exist.
  Copy& set(const std::string& file, const json& fields) {
    json content = fs::exists(folder_ / file) ? read_json(folder_ / file) : json::object();
    content.update(fields);
    onnx_test::write_file(folder_ / file, content.dump());
    return *this;
  }
  Copy& remove(const std::string& file) {
    fs::remove(folder_ / file);
    return *this;
  }
  const fs::path& path() const { return folder_.path(); }
  std::unique_ptr<Embedder> load() const { return load_embedder(path(), cpu(), {}); }
  Ids ids_of(const std::string& text, TextKind kind) const {
    TextOptions options;
    options.kind = kind;
    return load()->embed_texts(std::span(&text, 1), options).at(0).ids;
  }

 private:
  onnx_test::TempFolder folder_;
};

image::Image picture() { return image::decode_file(VULCAP_TEST_DATA "/images/scene_320x320.png"); }

bool warns(const Embedder& embedder, const std::string& part) {
  for (const std::string& warning : embedder.warnings()) {
    if (warning.find(part) != std::string::npos) return true;
  }
  return false;
}

// Ids: tokenizers 0.22 on the strings that ColPaliProcessor makes.
TEST(LateInteraction, PromptsOfColPaliProcessor) {
  Copy folder("colpali");
  EXPECT_TRUE(warns(*folder.load(), "processor_class"));
  folder.set("preprocessor_config.json", {{"processor_class", "ColPaliProcessor"}});
  EXPECT_FALSE(warns(*folder.load(), "processor_class"));
  EXPECT_EQ(folder.ids_of("a circle", TextKind::kQuery),
            (Ids{2, 53, 89, 309, 327, 30, 261, 352, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 203}));
  EXPECT_EQ(folder.load()->embed_image(picture()).ids,
            (Ids{4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 40, 398, 276, 332, 18, 203}));
  EXPECT_EQ(folder.ids_of("a circle", TextKind::kDocument), (Ids{2, 69, 352}));
  folder.set("processor_config.json", {{"query_prefix", "Q>"}});
  EXPECT_EQ(folder.ids_of(" a circle", TextKind::kQuery),
            (Ids{2, 53, 34, 261, 352, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 203}));
}

TEST(LateInteraction, PromptsOfColQwen2Processor) {
  Copy folder("colqwen2");
  folder.set("tokenizer_config.json", {{"processor_class", "ColQwen2Processor"}});
  EXPECT_EQ(folder.ids_of("a circle", TextKind::kQuery),
            (Ids{55, 326, 88, 95, 32, 263, 354, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  // The graph of this folder has room for the plain prompt alone.
  expect_error(ErrorCode::kRuntime, "exported for 17 tokens, but the prompt has 23",
               [&] { folder.load()->embed_image(picture()); });
}

TEST(LateInteraction, RefusesSettingsThatItNeeds) {
  expect_error(ErrorCode::kInvalidModel, "image_token_id", [] {
    Copy("colqwen2").set("config.json", {{"vlm_config", {{"image_token_id", 5000}}}}).load();
  });
  expect_error(ErrorCode::kInvalidModel, "not the image processor of this family", [] {
    Copy("colqwen2")
        .set("preprocessor_config.json", {{"image_processor_type", "SiglipImageProcessor"}, {"size", 56}})
        .load()
        ->embed_image(picture());
  });
}

TEST(DualEncoder, TowersAreCutOutOfTheWholeGraph) {
  const std::string text = "a red car";
  const auto embeddings = [&](const Copy& folder) {
    const auto embedder = folder.load();
    auto result = embedder->embed_texts(std::span(&text, 1), {}).at(0).values;
    const auto image = embedder->embed_image(picture()).values;
    result.insert(result.end(), image.begin(), image.end());
    return result;
  };
  Copy whole("clip-zero-shot");
  whole.remove("text_model.onnx").remove("vision_model.onnx");
  const auto from_towers = embeddings(Copy("clip-zero-shot"));
  const auto from_whole = embeddings(whole);
  ASSERT_EQ(from_towers.size(), from_whole.size());
  for (size_t i = 0; i < from_whole.size(); ++i) EXPECT_NEAR(from_whole[i], from_towers[i], 1e-5);
}

TEST(DualEncoder, LongTextsAreCutWithAWarning) {
  const Copy folder("clip-zero-shot");
  const auto embedder = folder.load();
  const std::string text(200, 'x');
  EXPECT_EQ(embedder->embed_texts(std::span(&text, 1), {}).at(0).ids.size(), 16u);
  EXPECT_TRUE(warns(*embedder, "longer than the model's 16 tokens"));
}

TEST(DualEncoder, RefusesToClassifyWithoutWhatItNeeds) {
  const auto classifier =
      load_zero_shot_image_classifier(Copy("siglip-feature-extraction").path(), cpu(), {});
  expect_error(ErrorCode::kUsage, "no labels",
               [&] { classifier->classify(picture(), {}, kImageHypothesis); });
  expect_error(ErrorCode::kUsage, "{}", [&] { classifier->classify(picture(), {"a"}, "a photo"); });
  expect_error(ErrorCode::kInvalidModel, "does not compare images with texts",
               [] { load_zero_shot_image_classifier(Copy("colpali").path(), cpu(), {}); });
}

TEST(SentenceTransformer, WithoutModulesTheMeanIsTakenWithAWarning) {
  Copy folder("sentence-xlm-roberta-mean");
  const std::string text = "a";
  auto whole = folder.load()->embed_texts(std::span(&text, 1), {}).at(0);
  folder.remove("modules.json");
  const auto embedder = folder.load();
  Embedding mean = embedder->embed_texts(std::span(&text, 1), {}).at(0);
  EXPECT_TRUE(warns(*embedder, "no modules.json"));
  normalize_rows(mean);
  for (size_t i = 0; i < mean.values.size(); ++i) EXPECT_NEAR(mean.values[i], whole.values[i], 1e-6);
}

TEST(SentenceTransformer, AGraphMayHoldThePooling) {
  Copy folder("sentence-bert-whole");
  const std::string text = "Python is a programming language.";
  const auto with = folder.load()->embed_texts(std::span(&text, 1), {}).at(0).values;
  folder.remove("modules.json");
  const auto embedder = folder.load();
  EXPECT_FALSE(warns(*embedder, "no modules.json"));
  const auto without = embedder->embed_texts(std::span(&text, 1), {}).at(0).values;
  for (size_t i = 0; i < with.size(); ++i) EXPECT_NEAR(with[i], without[i], 1e-6);
}

TEST(SentenceTransformer, CutsAtTheStatedLength) {
  Copy folder("sentence-bert-cls");
  folder.set("sentence_bert_config.json", {{"max_seq_length", 5}});
  const auto embedder = folder.load();
  const std::string text = "A man is eating food.";
  EXPECT_EQ(embedder->embed_texts(std::span(&text, 1), {}).at(0).ids.size(), 5u);
  EXPECT_TRUE(warns(*embedder, "longer than the 5 tokens"));
}

TEST(SentenceTransformer, KindsAndDefaultsOfPrompts) {
  Copy folder("sentence-xlm-roberta-mean");
  const auto plain = folder.ids_of("a", TextKind::kPlain);
  EXPECT_NE(folder.ids_of("a", TextKind::kQuery), plain);
  // sentence-transformers knows a prompt "document" from the start, an empty one.
  EXPECT_EQ(folder.ids_of("a", TextKind::kDocument), plain);
  folder.set("config_sentence_transformers.json", {{"default_prompt_name", "query"}});
  EXPECT_EQ(folder.ids_of("a", TextKind::kPlain), folder.ids_of("a", TextKind::kQuery));
}

}  // namespace
}  // namespace vulcap::loader
