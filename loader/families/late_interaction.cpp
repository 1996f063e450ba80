// ColPali and ColQwen2: a page's image, or a query, becomes one vector a token; they compare by late
// interaction. Follows transformers 4.57. Two graphs: input_ids and pixel_values for images, input_ids alone
// for queries; either may be missing.
#include <algorithm>
#include <cmath>

#include "loader/families/embedders.h"
#include "loader/families/lazy_graph.h"
#include "loader/families/retrieval_prompts.h"
#include "loader/image/patches.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using core::DType;
using core::Tensor;
using nlohmann::json;

[[noreturn]] void fail_model(const std::string& what) {
  throw core::Error(core::ErrorCode::kInvalidModel, what);
}

bool has_vectors(const onnx::GraphSignature& graph) {
  return std::any_of(graph.outputs.begin(), graph.outputs.end(), [](const onnx::ValueInfo& output) {
    return output.name == "embeddings" ||
           (core::dtype_is_float(output.dtype) && output.has_shape && output.shape.size() == 3);
  });
}

Role image_role() {
  return {"image model (input_ids, pixel_values -> embeddings)",
          {"image_model", "vision_model", "model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (!has_value(graph.inputs, "pixel_values")) return "lacks the input pixel_values";
            if (!has_value(graph.inputs, "input_ids")) return "lacks the input input_ids";
            return has_vectors(graph) ? "" : "lacks the output embeddings";
          }};
}

Role text_role() {
  return {"text model (input_ids -> embeddings)",
          {"text_model", "query_model", "model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (has_value(graph.inputs, "pixel_values")) return "takes the input pixel_values";
            if (!has_value(graph.inputs, "input_ids")) return "lacks the input input_ids";
            return has_vectors(graph) ? "" : "lacks the output embeddings";
          }};
}

// The size of a declared input along `axis` (negative: from the end), where the graph fixes it.
std::optional<int64_t> fixed_size(LazyGraph& graph, const std::string& input, int axis) {
  const graph::Value* value = graph.input(input);
  if (value == nullptr || !value->shape || int(value->shape->size()) < std::abs(axis)) return std::nullopt;
  const core::Dim& dim = (*value->shape)[axis < 0 ? value->shape->size() - size_t(-axis) : size_t(axis)];
  return dim.is_constant() ? std::optional(dim.value()) : std::nullopt;
}

class LateInteraction : public Embedder {
 public:
  LateInteraction(const std::filesystem::path& dir, const json& config, RetrievalFamily family,
                  session::Device& device, const LoadOptions& options);

  std::vector<Embedding> embed_texts(std::span<const std::string> texts, const TextOptions& options) override;
  Embedding embed_image(const image::Image& image) override;
  Similarity similarity() const override { return Similarity::kLateInteraction; }
  std::vector<std::string> description() const override {
    return descriptions_of({&text_graph_, &image_graph_});
  }
  std::vector<std::string> warnings() const override { return warnings_; }
  Fallbacks fallbacks() const override { return fallbacks_of({&text_graph_, &image_graph_}); }

 private:
  LazyGraph& graph(std::optional<LazyGraph>& slot, const Role& role);
  const image::PreprocessConfig& preprocessing();
  int64_t tokens_of_images();
  std::vector<int64_t> encode(const std::string& text) const;
  std::vector<int64_t> image_prompt(int64_t image_tokens) const;
  // Adds pixel_values and what belongs to it; returns the number of the image's tokens.
  int64_t add_pixels(const image::PixelValues& pixels, session::NamedTensors& feeds);
  int64_t add_patches(const image::PixelValues& pixels, session::NamedTensors& feeds);
  void check_patches(const image::Patches& patches);
  Embedding run(LazyGraph& graph, session::NamedTensors feeds, std::vector<int64_t> ids);
  void warn(const std::string& warning);

  std::filesystem::path dir_;
  RetrievalFamily family_;
  json model_;  // the settings of the vision-language model inside
  session::Device& device_;
  LoadOptions options_;
  ModelFiles files_;
  tokenizer::Tokenizer tokenizer_;
  std::vector<std::string> warnings_;
  std::string image_token_;
  RetrievalPrompts prompts_;
  std::optional<image::PreprocessConfig> preprocess_;
  int64_t image_tokens_ = 0;  // where every image has as many
  std::optional<LazyGraph> image_graph_, text_graph_;
};

std::string image_token(const json& model, const tokenizer::Tokenizer& tokenizer, const std::string& file) {
  const auto id = first_integer(model, {"image_token_id", "image_token_index"});
  const auto token = id ? tokenizer.token_of(uint32_t(*id)) : std::nullopt;
  if (token) return *token;
  fail_model(file + ": image_token_id or image_token_index must be the id of one of the tokenizer's tokens");
}

LateInteraction::LateInteraction(const std::filesystem::path& dir, const json& config, RetrievalFamily family,
                                 session::Device& device, const LoadOptions& options)
    : dir_(dir),
      family_(family),
      model_(section(config, "vlm_config")),
      device_(device),
      options_(options),
      files_(dir, options.dtype, options.file),
      tokenizer_(tokenizer::Tokenizer::load(dir)),
      image_token_(image_token(model_, tokenizer_, (dir / "config.json").string())),
      prompts_(read_retrieval_prompts(dir, family, tokenizer_, image_token_, warnings_)) {
  if (!files_.find(text_role())) files_.require(image_role());
}

void LateInteraction::warn(const std::string& warning) {
  if (std::find(warnings_.begin(), warnings_.end(), warning) == warnings_.end()) warnings_.push_back(warning);
}

LazyGraph& LateInteraction::graph(std::optional<LazyGraph>& slot, const Role& role) {
  if (slot) return *slot;
  const OnnxFile file = files_.require(role);
  if (!file.remark.empty()) warn(file.remark);
  return slot.emplace(file, role.name, device_, options_);
}

const image::PreprocessConfig& LateInteraction::preprocessing() {
  if (preprocess_) return *preprocess_;
  const auto path = dir_ / "preprocessor_config.json";
  const bool patches = family_ == RetrievalFamily::kColQwen2;
  preprocess_ = image::parse_preprocess_config(read_json_object(path), path.string(),
                                               patches ? "Qwen2VLImageProcessor" : "SiglipImageProcessor");
  if (patches != (preprocess_->patch_size > 0)) {
    fail_model(path.string() + ": " + preprocess_->processor + " is not the image processor of this family");
  }
  for (const std::string& warning : preprocess_->warnings) warn(warning);
  return *preprocess_;
}

// Stated by the image processor, by the model, or one a patch.
int64_t LateInteraction::tokens_of_images() {
  if (image_tokens_ > 0) return image_tokens_;
  const json processor = read_json_object(dir_ / "preprocessor_config.json");
  const json& vision = section(model_, "vision_config");
  auto count = first_integer(processor, {"image_seq_length", "image_seq_len"});
  if (!count) count = first_integer(vision, {"num_image_tokens"});
  if (!count) count = first_integer(section(model_, "text_config"), {"num_image_tokens"});
  const auto side = first_integer(vision, {"image_size"});
  const auto patch = first_integer(vision, {"patch_size"});
  if (!count && side && patch && *patch > 0) count = (*side / *patch) * (*side / *patch);
  if (!count || *count < 1) {
    fail_model((dir_ / "preprocessor_config.json").string() +
               ": image_seq_length must say how many tokens an image takes");
  }
  return image_tokens_ = *count;
}

std::vector<int64_t> LateInteraction::encode(const std::string& text) const {
  const tokenizer::Encoding encoding = tokenizer_.encode(text, tokenizer::EncodeOptions{false, {}, {}});
  return {encoding.ids.begin(), encoding.ids.end()};
}

std::vector<int64_t> LateInteraction::image_prompt(int64_t image_tokens) const {
  const size_t at = prompts_.image.find(image_token_);
  if (at == std::string::npos) {
    fail_model((dir_ / "processor_config.json").string() + ": visual_prompt_prefix lacks the token " +
               image_token_);
  }
  std::vector<int64_t> ids = encode(prompts_.image.substr(0, at));
  ids.insert(ids.end(), size_t(image_tokens), int64_t(*tokenizer_.id_of(image_token_)));
  const std::vector<int64_t> rest = encode(prompts_.image.substr(at + image_token_.size()));
  ids.insert(ids.end(), rest.begin(), rest.end());
  return ids;
}

int64_t LateInteraction::add_pixels(const image::PixelValues& pixels, session::NamedTensors& feeds) {
  if (preprocessing().patch_size > 0) return add_patches(pixels, feeds);
  feeds["pixel_values"] =
      Tensor::from(DType::kF32, {1, pixels.channels, pixels.height, pixels.width}, pixels.data);
  return tokens_of_images();
}

int64_t LateInteraction::add_patches(const image::PixelValues& pixels, session::NamedTensors& feeds) {
  const image::Patches patches = image::to_patches(pixels, preprocessing());
  check_patches(patches);
  core::Shape shape{patches.count(), patches.width};
  const graph::Value* input = graph(image_graph_, image_role()).input("pixel_values");
  if (input->shape && input->shape->size() == 3) shape.insert(shape.begin(), 1);
  feeds["pixel_values"] = Tensor::from(DType::kF32, shape, patches.data);
  feeds["image_grid_thw"] =
      Tensor::from(DType::kI64, {1, 3}, std::vector<int64_t>{patches.grid_t, patches.grid_h, patches.grid_w});
  return patches.count() / (preprocessing().merge_size * preprocessing().merge_size);
}

// Exports without image_grid_thw hold the positions of the one grid they were made with.
void LateInteraction::check_patches(const image::Patches& patches) {
  LazyGraph& graph = this->graph(image_graph_, image_role());
  const std::string grid = std::to_string(patches.grid_h) + "x" + std::to_string(patches.grid_w);
  const auto fixed = fixed_size(graph, "pixel_values", -2);
  if (fixed && *fixed != patches.count()) {
    throw core::Error(core::ErrorCode::kRuntime,
                      graph.path().string() + ": was exported for images of " + std::to_string(*fixed) +
                          " patches, but this one gives " + grid +
                          "; give images of the size it was exported with, or export it with image_grid_thw");
  }
  const auto side = int64_t(std::lround(std::sqrt(double(patches.count()))));
  if (graph.input("image_grid_thw") == nullptr && patches.grid_h != patches.grid_w) {
    warn(graph.path().string() +
         ": takes no image_grid_thw, so that positions follow the grid it was exported " + "with" +
         (side * side == patches.count() ? ", most likely a square" : "") +
         "; embeddings of an image with a grid of " + grid + " may be wrong");
  }
}

Embedding LateInteraction::run(LazyGraph& graph, session::NamedTensors feeds, std::vector<int64_t> ids) {
  const auto length = int64_t(ids.size());
  const auto fixed = fixed_size(graph, "input_ids", 1);
  if (fixed && *fixed != length) {
    throw core::Error(core::ErrorCode::kRuntime, graph.path().string() + ": was exported for " +
                                                     std::to_string(*fixed) + " tokens, but the prompt has " +
                                                     std::to_string(length));
  }
  const auto most = first_integer(section(model_, "text_config"), {"max_position_embeddings"});
  if (most && length > *most) {
    throw core::Error(core::ErrorCode::kRuntime, "the query or prompt has " + std::to_string(length) +
                                                     " tokens, but the model reads " + std::to_string(*most) +
                                                     " at most; shorten it");
  }
  feeds["input_ids"] = Tensor::from(DType::kI64, {1, length}, ids);
  feeds["attention_mask"] = Tensor::from(DType::kI64, {1, length}, std::vector<int64_t>(ids.size(), 1));
  feeds["token_type_ids"] = Tensor(DType::kI64, {1, length});
  const session::NamedTensors outputs = graph.run(feeds);
  const auto named = outputs.find("embeddings");
  const auto found =
      named != outputs.end() ? named : std::find_if(outputs.begin(), outputs.end(), [](auto& o) {
        return o.second.shape().size() == 3 && core::dtype_is_float(o.second.dtype());
      });
  if (found == outputs.end() || found->second.shape().size() != 3 || found->second.shape()[0] != 1) {
    fail_model(graph.path().string() + ": gives no embeddings of shape [1, tokens, width]");
  }
  const Tensor& vectors = found->second;
  Embedding result{{}, vectors.shape()[1], vectors.shape()[2], std::move(ids)};
  for (size_t i = 0; i < vectors.size(); ++i) result.values.push_back(float(vectors.at_f64(i)));
  return result;
}

std::vector<Embedding> LateInteraction::embed_texts(std::span<const std::string> texts,
                                                    const TextOptions& options) {
  if (options.prompt_name) {
    throw core::Error(core::ErrorCode::kUsage,
                      "the folder names no prompts; give the words themselves with --prompt");
  }
  LazyGraph& text_graph = graph(text_graph_, text_role());
  std::vector<Embedding> embeddings;
  for (const std::string& text : texts) {
    const bool is_document = options.kind == TextKind::kDocument;
    const std::string whole = is_document
                                  ? prompts_.document_start + options.prompt.value_or("") + text
                                  : prompts_.query(text, options.prompt.value_or(prompts_.query_prefix));
    std::vector<int64_t> ids = encode(whole);
    if (ids.empty()) throw core::Error(core::ErrorCode::kRuntime, "an empty text has no embedding");
    embeddings.push_back(run(text_graph, {}, std::move(ids)));
  }
  return embeddings;
}

Embedding LateInteraction::embed_image(const image::Image& image) {
  session::NamedTensors feeds;
  LazyGraph& image_graph = graph(image_graph_, image_role());
  const int64_t tokens = add_pixels(image::preprocess(image, preprocessing()), feeds);
  return run(image_graph, std::move(feeds), image_prompt(tokens));
}

}  // namespace

std::unique_ptr<Embedder> load_colpali(const std::filesystem::path& dir, const json& config,
                                       session::Device& device, const LoadOptions& options) {
  return std::make_unique<LateInteraction>(dir, config, RetrievalFamily::kColPali, device, options);
}

std::unique_ptr<Embedder> load_colqwen2(const std::filesystem::path& dir, const json& config,
                                        session::Device& device, const LoadOptions& options) {
  return std::make_unique<LateInteraction>(dir, config, RetrievalFamily::kColQwen2, device, options);
}

}  // namespace vulcap::loader
