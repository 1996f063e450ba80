// vulcap embed, search and zero-shot classify as their users call them.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "loader/npy.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

const std::string kFamilies = (kTestData / "families").string();
const std::string kSentences = kFamilies + "/sentence-xlm-roberta-mean";
const std::string kClip = kFamilies + "/clip-zero-shot";
const std::string kColPali = kFamilies + "/colpali";
const std::string kColQwen2 = kFamilies + "/colqwen2";
const std::string kSquare = (kTestData / "images/scene_320x320.png").string();
const std::string kWide = (kTestData / "images/noise_203x61.png").string();

Outcome vulcap(const std::string& command, const std::string& model, Arguments arguments) {
  arguments.insert(arguments.begin(), {command, "-m", model, "--device", "cpu"});
  return run_vulcap(arguments);
}

void copy_folder(const std::string& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive);
}

TEST(Embed, TextsAsJsonLines) {
  const Outcome outcome = vulcap("embed", kSentences, {"--text", "A man is eating food.", "--text", "a"});
  ASSERT_TRUE(exits(outcome, 0));
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2u);
  const json first = json::parse(lines[0]);
  EXPECT_EQ(first["text"], "A man is eating food.");
  EXPECT_EQ(first["embedding"].size(), 24u);
  EXPECT_NEAR(first["embedding"][0].get<double>(), -0.202115182, 1e-4);
}

TEST(Embed, PromptsChangeTheVector) {
  const auto embedded = [&](Arguments more) {
    more.insert(more.begin(), {"--text", "The capital of France is Paris."});
    return vulcap("embed", kSentences, more).out;
  };
  const std::string query = embedded({"--prompt-name", "query"});
  EXPECT_EQ(query, embedded({"--kind", "query"}));
  EXPECT_EQ(query, embedded({"--prompt", "query: "}));
  EXPECT_NE(query, embedded({}));
  EXPECT_NE(query, embedded({"--kind", "document"}));
}

TEST(Embed, ArraysAndSimilarity) {
  const TempFolder folder;
  const std::string file = folder / "out.npy";
  write_file(folder / "texts.txt", "one\r\ntwo\n");
  ASSERT_TRUE(exits(vulcap("embed", kSentences, {"-f", folder / "texts.txt", "-o", file}), 0));
  EXPECT_EQ(loader::read_npy(file).shape(), (core::Shape{2, 24}));
  const Outcome outcome = vulcap("embed", kSentences, {"-f", folder / "texts.txt", "--similarity"});
  const json matrix = json::parse(outcome.out);
  EXPECT_EQ(matrix["inputs"], json({"one", "two"}));
  EXPECT_NEAR(matrix["similarity"][0][0].get<double>(), 1, 1e-5);
  EXPECT_EQ(matrix["function"], "cosine");
}

TEST(Embed, ImagesOfClipHaveLengthOneAndBadOnesFailAlone) {
  const Outcome outcome = vulcap("embed", kClip, {kSquare, "/no/such.png", "--format", "json"});
  ASSERT_TRUE(exits(outcome, 1));
  const json items = json::parse(outcome.out);
  ASSERT_EQ(items.size(), 2u);
  double squares = 0;
  for (const json& value : items[0]["embedding"]) squares += value.get<double>() * value.get<double>();
  EXPECT_NEAR(squares, 1, 1e-5);
  EXPECT_TRUE(items[1].contains("error"));
  EXPECT_EQ(error_lines(outcome).size(), 1u);
}

TEST(Search, RanksPagesFromImagesAndFromAnIndex) {
  const TempFolder folder;
  const std::string index = (folder / "index").string() + "/";
  const Outcome made = vulcap("embed", kColPali, {kSquare, kWide, "-o", index});
  ASSERT_TRUE(exits(made, 0));
  const Arguments query{"--query", "how many shapes are there?", "--format", "json"};
  const auto search = [&](Arguments documents) {
    documents.insert(documents.begin(), query.begin(), query.end());
    const Outcome outcome = vulcap("search", kColPali, documents);
    EXPECT_TRUE(exits(outcome, 0));
    return outcome.out;
  };
  const std::string direct = search({kSquare, kWide});
  EXPECT_EQ(direct, search({index}));
  const json results = json::parse(direct)[0]["results"];
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0]["file"], kWide);
  EXPECT_NEAR(results[0]["score"].get<double>(), 9.282515, 1e-3);
}

TEST(Search, RanksTexts) {
  const Outcome outcome = vulcap(
      "search", kSentences, {"--query", "a", "-k", "1", "--text", "Python is a language.", "--text", "b"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(lines_of(outcome.out).size(), 1u);
}

TEST(Classify, ImagesByLabelsThatAreGiven) {
  const std::string image = kFamilies + "/task-images/drawing_97x64.png";
  const Outcome outcome = vulcap("classify", kClip, {"--labels", "cat,car,dog", "--format", "json", image});
  ASSERT_TRUE(exits(outcome, 0));
  const json labels = json::parse(outcome.out);
  EXPECT_EQ(labels[0]["label"], "car");
  EXPECT_NEAR(labels[0]["score"].get<double>(), 0.489900827, 1e-3);
  EXPECT_TRUE(refuses(vulcap("classify", kClip, {image}), 2, {"--labels"}));
}

TEST(Embed, RefusesWhatAModelDoesNotTake) {
  EXPECT_TRUE(refuses(vulcap("embed", kSentences, {kSquare}), 2, {"embeds text, not images"}));
  EXPECT_TRUE(
      refuses(vulcap("embed", kSentences, {"--text", "a", "--prompt-name", "no"}), 2, {"'no'", "passage"}));
  EXPECT_TRUE(refuses(vulcap("embed", kClip, {"--text", "a", "--prompt-name", "query"}), 2, {"--prompt"}));
  EXPECT_TRUE(refuses(vulcap("embed", kSentences, {}), 2, {"nothing to embed"}));
  EXPECT_TRUE(refuses(vulcap("embed", kSentences, {"--text", "a", "--format", "npy"}), 2, {"-o"}));
  EXPECT_TRUE(refuses(vulcap("search", kSentences, {"--query", "a"}), 2, {"nothing to search"}));
}

TEST(Embed, SaysWhatAFolderLacks) {
  const TempFolder folder;
  copy_folder(kColPali, folder / "pages");
  fs::remove(folder / "pages/onnx/image_model.onnx");
  EXPECT_TRUE(refuses(vulcap("embed", folder / "pages", {kSquare}), 3,
                      {"no image model", "text_model.onnx lacks the input pixel_values"}));
  fs::remove(folder / "pages/onnx/text_model.onnx");
  EXPECT_TRUE(refuses(vulcap("embed", folder / "pages", {"--text", "a"}), 3, {"no .onnx file"}));
  copy_folder(kClip, folder / "clip");
  fs::remove(folder / "clip/model.onnx");
  EXPECT_TRUE(
      refuses(vulcap("classify", folder / "clip", {"--labels", "a", kSquare}), 3, {"logits_per_image"}));
  fs::remove(folder / "clip/vision_model.onnx");
  EXPECT_TRUE(refuses(vulcap("embed", folder / "clip", {kSquare}), 3, {"no vision model"}));
  copy_folder(kSentences, folder / "sentences");
  write_file(folder / "sentences/1_Pooling/config.json", R"({"pooling_mode": "sum"})");
  EXPECT_TRUE(
      refuses(vulcap("embed", folder / "sentences", {"--text", "a"}), 3, {"1_Pooling/config.json", "sum"}));
}

TEST(Embed, SaysWhatAnInputIsRefusedFor) {
  // The graph is fixed to the grid of a square image.
  EXPECT_TRUE(refuses(vulcap("embed", kColQwen2, {kWide, "-o", "/tmp/vulcap_unwritten.npy"}), 1,
                      {"unwritten.npy: not written", "36 patches"}));
  std::string words;
  for (int i = 0; i < 300; ++i) words += " shape";
  EXPECT_TRUE(refuses(vulcap("embed", kColQwen2, {"--text", words}), 1, {"256 at most"}));
}

TEST(Search, RefusesEmbeddingsOfAnotherModel) {
  const TempFolder folder;
  const std::string file = folder / "narrow.npy";
  loader::write_npy(file, core::Tensor(core::DType::kF32, {2, 7}));
  EXPECT_TRUE(
      refuses(vulcap("search", kSentences, {"--query", "a", file}), 1, {"narrow.npy[0]", "width 24 and 7"}));
  fs::create_directory(folder / "index");
  EXPECT_TRUE(refuses(vulcap("search", kSentences, {"--query", "a", folder / "index"}), 1, {"index.jsonl"}));
  write_file(folder / "index/index.jsonl", "{\"file\": \"a\", \"embedding\": \"../narrow.npy\"}\n");
  EXPECT_TRUE(refuses(vulcap("search", kSentences, {"--query", "a", folder / "index"}), 1, {"line 1"}));
}

}  // namespace
}  // namespace vulcap::testing
