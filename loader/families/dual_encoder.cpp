// CLIP and SigLIP: texts and images -> vectors of one space. Follows CLIPModel, SiglipModel and their
// processors in transformers 4.57: vectors of length 1, CLIP's texts padded to the longest, SigLIP's to the
// model's length. One graph of all (model.onnx), or one a tower (text_model.onnx, vision_model.onnx).
#include <algorithm>
#include <array>

#include "loader/families/embedders.h"
#include "loader/families/lazy_graph.h"
#include "loader/image/preprocess.h"
#include "loader/read_json.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using core::DType;
using core::Tensor;

constexpr size_t kTextsAtOnce = 32;
constexpr int64_t kSiglipLength = 64;  // of SiglipTokenizer where no file states it

Role both_role() {
  return {"graph of images and texts (pixel_values, input_ids -> logits_per_image)",
          {"model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            for (const char* name : {"pixel_values", "input_ids"}) {
              if (!has_value(graph.inputs, name)) return std::string("lacks the input ") + name;
            }
            return has_value(graph.outputs, "logits_per_image") ? "" : "lacks the output logits_per_image";
          }};
}

// One tower, or the whole of which the other tower is cut away. `outputs`: any of them.
struct Tower {
  std::string name, input, other_input, stem;
  std::vector<std::string> outputs;

  std::optional<std::string> output_of(const onnx::GraphSignature& graph) const {
    for (const std::string& output : outputs) {
      if (has_value(graph.outputs, output)) return output;
    }
    return std::nullopt;
  }

  Role role(bool alone) const {
    return {name + " (" + input + " -> " + outputs.front() + ")",
            {stem, "model"},
            [tower = *this, alone](const onnx::GraphSignature& graph) -> std::string {
              if (!has_value(graph.inputs, tower.input)) return "lacks the input " + tower.input;
              if (alone && has_value(graph.inputs, tower.other_input)) return "takes " + tower.other_input;
              return tower.output_of(graph) ? "" : "lacks the output " + tower.outputs.front();
            }};
  }
};

std::vector<std::vector<float>> rows_of(const Tensor& matrix) {
  const size_t width = size_t(matrix.shape().at(1));
  std::vector<std::vector<float>> rows;
  for (size_t i = 0; i < matrix.size(); ++i) {
    if (i % width == 0) rows.emplace_back();
    rows.back().push_back(float(matrix.at_f64(i)));
  }
  return rows;
}

class DualEncoder : public Embedder, public ZeroShotImageClassifier {
 public:
  DualEncoder(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
              const LoadOptions& options)
      : dir_(dir),
        config_(config),
        device_(device),
        options_(options),
        files_(dir, options.dtype, options.file) {}

  std::vector<Embedding> embed_texts(std::span<const std::string> texts, const TextOptions& options) override;
  Embedding embed_image(const image::Image& image) override;
  Similarity similarity() const override { return Similarity::kCosine; }
  ImageTextScores score(std::span<const image::Image> images, std::span<const std::string> texts) override;

  // Finds the graph that scores, so that a folder without one is refused at load.
  void require_scores() {
    const OnnxFile file = files_.require(both_role());
    if (!file.remark.empty()) warn(file.remark);
    both_.emplace(file, "model", device_, options_);
  }

  std::vector<std::string> description() const override { return descriptions_of({&text_, &image_, &both_}); }
  std::vector<std::string> warnings() const override { return warnings_; }
  Fallbacks fallbacks() const override { return fallbacks_of({&text_, &image_, &both_}); }

 private:
  bool is_siglip() const { return model_type(config_) == "siglip"; }
  LazyGraph& tower(std::optional<LazyGraph>& slot, const Tower& wanted);
  const tokenizer::Tokenizer& tokenizer();
  size_t longest_text();
  std::vector<tokenizer::Encoding> encode(std::span<const std::string> texts);
  session::NamedTensors text_feeds(const std::vector<tokenizer::Encoding>& rows);
  Tensor pixels(std::span<const image::Image> images);
  std::vector<Embedding> run_tower(LazyGraph& tower, const session::NamedTensors& feeds);
  void warn(const std::string& warning);

  std::filesystem::path dir_;
  nlohmann::json config_;
  session::Device& device_;
  LoadOptions options_;
  ModelFiles files_;
  std::optional<tokenizer::Tokenizer> tokenizer_;
  std::optional<image::PreprocessConfig> preprocess_;
  std::optional<LazyGraph> text_, image_, both_;
  std::vector<std::string> warnings_;
};

void DualEncoder::warn(const std::string& warning) {
  if (std::find(warnings_.begin(), warnings_.end(), warning) == warnings_.end()) warnings_.push_back(warning);
}

LazyGraph& DualEncoder::tower(std::optional<LazyGraph>& slot, const Tower& wanted) {
  if (slot) return *slot;
  auto file = files_.find(wanted.role(true));
  if (!file) file = files_.require(wanted.role(false));
  if (!file->remark.empty()) warn(file->remark);
  const std::string output = *wanted.output_of(*files_.signature(*file));
  return slot.emplace(*file, wanted.name, device_, options_, std::vector{output});
}

const tokenizer::Tokenizer& DualEncoder::tokenizer() {
  if (!tokenizer_) tokenizer_ = tokenizer::Tokenizer::load(dir_);
  return *tokenizer_;
}

size_t DualEncoder::longest_text() {
  const auto table = first_integer(section(config_, "text_config"), {"max_position_embeddings"});
  const auto stated = tokenizer().model_max_length();
  if (stated && table) return std::min(*stated, size_t(*table));
  return stated ? *stated : size_t(table.value_or(kSiglipLength));
}

std::vector<tokenizer::Encoding> DualEncoder::encode(std::span<const std::string> texts) {
  tokenizer::EncodeOptions options;
  tokenizer::Truncation truncation;
  truncation.max_length = longest_text();
  truncation.side = tokenizer().truncation_side();
  options.truncation = truncation;
  options.padding = tokenizer().default_padding();
  if (!options.padding && (texts.size() > 1 || is_siglip())) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir_.string() + ": the tokenizer names no pad_token; texts cannot be padded");
  }
  if (is_siglip()) options.padding->fixed_length = truncation.max_length;
  auto rows = tokenizer().encode_batch(texts, options);
  for (const auto& row : rows) {
    if (!row.overflowing.empty())
      warn("a text is longer than the model's " + std::to_string(truncation.max_length) +
           " tokens; the rest of it is not read");
  }
  return rows;
}

session::NamedTensors DualEncoder::text_feeds(const std::vector<tokenizer::Encoding>& rows) {
  std::vector<int64_t> ids, mask;
  for (const auto& row : rows) {
    ids.insert(ids.end(), row.ids.begin(), row.ids.end());
    mask.insert(mask.end(), row.attention_mask.begin(), row.attention_mask.end());
  }
  if (is_siglip()) std::fill(mask.begin(), mask.end(), 1);  // SigLIP reads its padding
  const core::Shape shape{int64_t(rows.size()), int64_t(rows[0].size())};
  return {{"input_ids", Tensor::from(DType::kI64, shape, ids)},
          {"attention_mask", Tensor::from(DType::kI64, shape, mask)}};
}

Tensor DualEncoder::pixels(std::span<const image::Image> images) {
  if (!preprocess_) {
    const auto path = dir_ / "preprocessor_config.json";
    preprocess_ = image::parse_preprocess_config(read_json_object(path), path.string(),
                                                 is_siglip() ? "SiglipImageProcessor" : "CLIPImageProcessor");
    for (const std::string& warning : preprocess_->warnings) warn(warning);
  }
  std::vector<float> values;
  core::Shape shape{int64_t(images.size()), 3, 0, 0};
  for (const image::Image& image : images) {
    const image::PixelValues one = image::preprocess(image, *preprocess_);
    if (!values.empty() && (shape[2] != one.height || shape[3] != one.width)) {
      throw core::Error(core::ErrorCode::kRuntime,
                        "images of unlike size cannot run together; give them one by one");
    }
    shape[2] = one.height;
    shape[3] = one.width;
    values.insert(values.end(), one.data.begin(), one.data.end());
  }
  return Tensor::from(DType::kF32, shape, values);
}

std::vector<Embedding> DualEncoder::run_tower(LazyGraph& tower, const session::NamedTensors& feeds) {
  std::vector<Embedding> embeddings;
  for (std::vector<float>& row : rows_of(tower.run(feeds).at(tower.outputs().front()))) {
    const auto width = int64_t(row.size());
    embeddings.push_back({std::move(row), 1, width, {}});
    normalize_rows(embeddings.back());
  }
  return embeddings;
}

std::vector<Embedding> DualEncoder::embed_texts(std::span<const std::string> texts,
                                                const TextOptions& options) {
  if (options.prompt_name) {
    throw core::Error(core::ErrorCode::kUsage,
                      "the folder names no prompts; give the words themselves with --prompt");
  }
  std::vector<std::string> outputs{"text_embeds"};
  if (is_siglip()) outputs.push_back("pooler_output");
  LazyGraph& graph = tower(text_, {"text model", "input_ids", "pixel_values", "text_model", outputs});
  std::vector<Embedding> embeddings;
  for (size_t begin = 0; begin < texts.size(); begin += kTextsAtOnce) {
    std::vector<std::string> batch;
    for (const auto& text : texts.subspan(begin, std::min(kTextsAtOnce, texts.size() - begin)))
      batch.push_back(options.prompt.value_or("") + text);
    const auto rows = encode(batch);
    auto made = run_tower(graph, text_feeds(rows));
    for (size_t i = 0; i < made.size(); ++i) made[i].ids.assign(rows[i].ids.begin(), rows[i].ids.end());
    std::move(made.begin(), made.end(), std::back_inserter(embeddings));
  }
  return embeddings;
}

Embedding DualEncoder::embed_image(const image::Image& image) {
  std::vector<std::string> outputs{"image_embeds"};
  if (is_siglip()) outputs.push_back("pooler_output");
  LazyGraph& graph = tower(image_, {"vision model", "pixel_values", "input_ids", "vision_model", outputs});
  return run_tower(graph, {{"pixel_values", pixels(std::span(&image, 1))}}).at(0);
}

ImageTextScores DualEncoder::score(std::span<const image::Image> images, std::span<const std::string> texts) {
  if (!both_) require_scores();
  session::NamedTensors feeds = text_feeds(encode(texts));
  feeds["pixel_values"] = pixels(images);
  ImageTextScores scores;
  scores.logits = rows_of(both_->run(feeds).at("logits_per_image"));
  for (const auto& row : scores.logits)
    scores.probabilities.push_back(
        apply_function(is_siglip() ? ScoreFunction::kSigmoid : ScoreFunction::kSoftmax, row));
  return scores;
}

}  // namespace

std::unique_ptr<Embedder> load_dual_encoder(const std::filesystem::path& dir, const nlohmann::json& config,
                                            session::Device& device, const LoadOptions& options) {
  return std::make_unique<DualEncoder>(dir, config, device, options);
}

std::unique_ptr<ZeroShotImageClassifier> load_image_text_scorer(const std::filesystem::path& dir,
                                                                const nlohmann::json& config,
                                                                session::Device& device,
                                                                const LoadOptions& options) {
  auto scorer = std::make_unique<DualEncoder>(dir, config, device, options);
  scorer->require_scores();
  return scorer;
}

}  // namespace vulcap::loader
