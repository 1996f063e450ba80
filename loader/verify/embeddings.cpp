// Tasks over embeddings: sentence-similarity, visual-document-retrieval, and pairs of images and texts of
// CLIP and SigLIP (zero-shot-image-classification, feature-extraction).
#include <algorithm>
#include <map>
#include <numeric>

#include "loader/image/decode.h"
#include "loader/image/patches.h"
#include "loader/npy.h"
#include "loader/read_json.h"
#include "loader/tasks/embedder.h"
#include "loader/tasks/pipeline_json.h"
#include "loader/tasks/zero_shot_image_classifier.h"
#include "loader/verify/pipeline.h"
#include "loader/verify/pipeline_params.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What files of fp32 are held to, whatever a case allows.
constexpr double kEmbeddingTolerance = 1e-4;
constexpr double kScoreTolerance = 1e-3;

// Compares the entries that the case's "expected" and `got` share, or the whole of a list.
void compare(const PipelineRun& run, const json& item, const json& got, double tolerance, VerifyRow& row) {
  const std::string& dtype = run.options.load.dtype;
  const bool is_fp32 = (dtype == "auto" || dtype == "fp32") && !item.at("params").contains("file");
  json part{{"expected", item.at("expected")},
            {"atol", is_fp32 ? tolerance : item.value("atol", tolerance)},
            {"rtol", is_fp32 ? 0.0 : item.value("rtol", 0.0)}};
  if (!got.is_object()) return compare_result(got, part, row);
  json ours = json::object(), theirs = json::object();
  for (const auto& [key, value] : item.at("expected").items()) {
    if (!got.contains(key)) continue;
    ours[key] = got[key];
    theirs[key] = value;
  }
  part["expected"] = theirs;
  compare_result(ours, part, row);
}

// Integers exactly; numbers with a fraction within the tolerance.
void compare_to(const json& got, const json& want, double tolerance, VerifyRow& row) {
  compare_result(got, {{"expected", want}, {"atol", tolerance}}, row);
}

std::vector<std::string> strings(const json& value) {
  return value.is_array() ? value.get<std::vector<std::string>>()
                          : std::vector<std::string>{value.get<std::string>()};
}

json values_of(const std::vector<Embedding>& embeddings) {
  json rows = json::array();
  for (const Embedding& embedding : embeddings) rows.push_back(embedding.values);
  return rows;
}

json ids_of(const std::vector<Embedding>& embeddings) {
  json rows = json::array();
  for (const Embedding& embedding : embeddings) rows.push_back(embedding.ids);
  return rows;
}

std::vector<std::vector<double>> scores_of(Similarity similarity, const std::vector<Embedding>& queries,
                                           const std::vector<Embedding>& documents) {
  std::vector<std::vector<double>> rows;
  for (const Embedding& query : queries) {
    rows.emplace_back();
    for (const Embedding& document : documents) rows.back().push_back(score(similarity, query, document));
  }
  return rows;
}

// A row a case.
int verify_cases(const PipelineRun& run, const std::function<void(const json& item, VerifyRow& row)>& check) {
  const json& cases = run.pipeline.at("cases");
  for (size_t i = 0; i < cases.size(); ++i)
    verify_case(run, case_name(cases[i], i), [&](VerifyRow& row) { check(cases[i], row); });
  return int(cases.size());
}

// ---------------------------------------------------------------- sentences

void check_search(const PipelineRun& run, Embedder& embedder, const json& item, VerifyRow& row) {
  const auto query = embedder.embed_texts(strings(item.at("input").at("query")), {});
  const auto passages = embedder.embed_texts(strings(item.at("input").at("passages")), {});
  const auto scores = scores_of(embedder.similarity(), query, passages).at(0);
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  compare(run, item, {{"scores", scores}, {"order", order}}, kScoreTolerance, row);
}

// "prompt" repeats what the folder states for "prompt_name"; "file" has chosen the embedder.
TextOptions text_options(const json& item) {
  PipelineParams params(item);
  TextOptions options;
  options.prompt_name = params.get<std::string>("prompt_name");
  const auto prompt = params.get<std::string>("prompt");
  if (!options.prompt_name) options.prompt = prompt;
  params.get<bool>("batch");
  params.get<std::string>("file");
  params.check_all_taken();
  return options;
}

// `fp32`: the model that a variant's vectors are held against.
void check_sentences(const PipelineRun& run, Embedder& embedder, Embedder& fp32, const json& item,
                     VerifyRow& row) {
  const auto texts = strings(item.at("input"));
  const std::vector<Embedding> got = embedder.embed_texts(texts, text_options(item));
  if (item.contains("input_ids")) compare_to(ids_of(got).at(0), item["input_ids"], 0, row);
  json results{{"embedding", got.at(0).values},
               {"embeddings", values_of(got)},
               {"cosine", scores_of(Similarity::kCosine, got, got)}};
  if (item.at("expected").contains("cosine_to_float32")) {
    const std::vector<Embedding> exact = fp32.embed_texts(texts, text_options(item));
    for (size_t i = 0; i < got.size(); ++i)
      results["cosine_to_float32"].push_back(score(Similarity::kCosine, got[i], exact[i]));
  }
  for (const auto& [key, value] : item["expected"].items()) {
    if (!results.contains(key)) row.note = "'" + key + "' is not known to this task";
  }
  compare(run, item, results, kEmbeddingTolerance, row);
}

// ---------------------------------------------------------------- documents

// The Qwen2-VL patches of an image and the grid they form.
void check_patches(const PipelineRun& run, const image::Image& image, const json& item, VerifyRow& row) {
  const fs::path settings = run.dir / "preprocessor_config.json";
  const auto config = image::parse_preprocess_config(read_json_object(settings), settings.string());
  const image::Patches patches = image::to_patches(image::preprocess(image, config), config);
  compare_to({{patches.grid_t, patches.grid_h, patches.grid_w}}, item.at("grid_thw"), 0, row);
  if (!item.contains("patches")) return;
  const core::Tensor want = read_npy(run.dir / "expected" / item["patches"].get<std::string>());
  compare_to({patches.count(), patches.width}, want.shape(), 0, row);
  for (size_t i = 0; i < want.size() && row.note.empty(); ++i)
    compare_number(patches.data[i], want.at_f64(i), kEmbeddingTolerance, "a patch's value", row);
}

void check_document(const PipelineRun& run, Embedder& embedder, const json& item, VerifyRow& row) {
  row.output = item.at("image").get<std::string>();
  const image::Image image = image::decode_file(find_input(run.dir, "images", row.output));
  if (item.contains("grid_thw")) check_patches(run, image, item, row);
  const Embedding embedding = embedder.embed_image(image);
  const auto first = embedding.row(0);
  compare_to(embedding.ids, item.at("image_prompt_ids"), 0, row);
  compare_to(std::vector<float>(first.begin(), first.end()), item.at("embeddings_first_row"),
             kEmbeddingTolerance, row);
}

void check_retrieval(const PipelineRun& run, Embedder& embedder, const json& item, VerifyRow& row) {
  TextOptions options;
  options.kind = TextKind::kQuery;
  const auto queries = embedder.embed_texts(strings(item.at("queries")), options);
  compare_to(ids_of(queries), item.at("query_ids"), 0, row);
  std::vector<Embedding> pages;
  for (const std::string& name : strings(item.at("images"))) {
    pages.push_back(embedder.embed_image(image::decode_file(find_input(run.dir, "images", name))));
    compare_to(pages.back().ids, item.at("image_prompt_ids"), 0, row);
  }
  compare_to(scores_of(Similarity::kLateInteraction, queries, pages), item.at("late_interaction_scores"),
             kScoreTolerance, row);
}

// ---------------------------------------------------------------- pairs of images and texts

std::vector<image::Image> read_images(const PipelineRun& run, const json& names) {
  std::vector<image::Image> images;
  for (const std::string& name : strings(names))
    images.push_back(image::decode_file(find_input(run.dir, "images", name)));
  return images;
}

void check_labels(const PipelineRun& run, ZeroShotImageClassifier& classifier, const json& item,
                  VerifyRow& row) {
  row.output = item.at("input").get<std::string>();
  PipelineParams params(item);
  const auto labels = params.get<std::vector<std::string>>("candidate_labels");
  const auto hypothesis = params.get<std::string>("hypothesis_template");
  params.check_all_taken();
  const auto got =
      classifier.classify(read_images(run, item["input"]).at(0), labels.value_or(std::vector<std::string>{}),
                          hypothesis.value_or(kImageHypothesis));
  compare(run, item, labels_json(got), kScoreTolerance, row);
}

json transposed(const std::vector<std::vector<float>>& rows) {
  std::vector<std::vector<float>> columns(rows.at(0).size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) columns[i].push_back(row[i]);
  }
  return columns;
}

void check_pairs(const PipelineRun& run, Embedder& embedder, ZeroShotImageClassifier& classifier,
                 const json& item, VerifyRow& row) {
  const auto texts = strings(item.at("input").at("texts"));
  const auto images = read_images(run, item["input"].at("images"));
  const auto of_texts = embedder.embed_texts(texts, {});
  std::vector<Embedding> of_images;
  for (const image::Image& image : images) of_images.push_back(embedder.embed_image(image));
  compare_to(ids_of(of_texts), item.at("input_ids"), 0, row);
  compare(run, item, {{"text_embeds", values_of(of_texts)}, {"image_embeds", values_of(of_images)}},
          kEmbeddingTolerance, row);
  const ImageTextScores scores = classifier.score(images, texts);
  compare(run, item,
          {{"logits_per_image", scores.logits},
           {"logits_per_text", transposed(scores.logits)},
           {"probabilities", scores.probabilities}},
          kScoreTolerance, row);
}

}  // namespace

int verify_sentences(const PipelineRun& run) {
  // Cases may lie apart from the model, and may ask for one of its files.
  const fs::path dir = run.dir / run.pipeline.value("model", ".");
  std::map<std::string, std::unique_ptr<Embedder>> embedders;
  const auto embedder = [&](const std::string& file) -> Embedder& {
    auto& slot = embedders[file];
    LoadOptions options = run.options.load;
    options.file = fs::path(file).filename();
    if (!slot) slot = load_embedder(dir, run.device, options);
    return *slot;
  };
  if (!load_for_pipeline(run, [&] { embedder(""); })) return 1;
  return verify_cases(run, [&](const json& item, VerifyRow& row) {
    Embedder& model = embedder(item.at("params").value("file", ""));
    item.at("input").is_object() ? check_search(run, model, item, row)
                                 : check_sentences(run, model, embedder(""), item, row);
  });
}

int verify_documents(const PipelineRun& run) {
  std::unique_ptr<Embedder> embedder;
  const auto load = [&] { embedder = load_embedder(run.dir, run.device, run.options.load); };
  if (!load_for_pipeline(run, load)) return 1;
  return verify_cases(run, [&](const json& item, VerifyRow& row) {
    item.contains("queries") ? check_retrieval(run, *embedder, item, row)
                             : check_document(run, *embedder, item, row);
  });
}

int verify_image_text(const PipelineRun& run) {
  std::unique_ptr<Embedder> embedder;
  std::unique_ptr<ZeroShotImageClassifier> classifier;
  const auto load = [&] {
    embedder = load_embedder(run.dir, run.device, run.options.load);
    classifier = load_zero_shot_image_classifier(run.dir, run.device, run.options.load);
  };
  if (!load_for_pipeline(run, load)) return 1;
  return verify_cases(run, [&](const json& item, VerifyRow& row) {
    item.at("input").is_object() ? check_pairs(run, *embedder, *classifier, item, row)
                                 : check_labels(run, *classifier, item, row);
  });
}

int verify_features(const PipelineRun& run) {
  const json& cases = run.pipeline.at("cases");
  const bool pairs =
      !cases.empty() && cases[0].at("input").is_object() && cases[0]["input"].contains("images");
  return pairs ? verify_image_text(run) : verify_text_features(run);
}

}  // namespace vulcap::loader
