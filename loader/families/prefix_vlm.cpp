// Prefix VLM: projected image features, then the start token, then the caption, in a decoder that was made
// for text (SigLIP + SmolLM). As transformers 4.57 LlamaForCausalLM.generate(inputs_embeds) answers:
// generate() sees new tokens only. Two layouts: vision encoder, token embeddings and decoder with cache, or
// one graph pixel_values, input_ids -> logits that begins with the image and scores the text.
#include "loader/families/embeddings_captioner.h"
#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr const char* kProcessor = "SiglipImageProcessor";

class SplitPrefixVlm : public EmbeddingsCaptioner {
 public:
  SplitPrefixVlm(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
                 const LoadOptions& options)
      : EmbeddingsCaptioner(dir, config, device, options, kProcessor) {
    load_parts(config);
  }

 private:
  std::vector<int64_t> layout(const CaptionPrompt& prompt,
                              const generate::GenerationConfig& config) override {
    refuse_task(prompt);
    std::vector<int64_t> ids = started_ids(prompt.text, config);
    ids.insert(ids.begin(), size_t(features().rows), kImage);
    return ids;
  }
};

// How many positions the image takes, as far as the settings of well-known encoders tell; else 0.
int64_t image_positions(const nlohmann::json& config) {
  const nlohmann::json& vision = section(config, "vision_config");
  const std::string type = model_type(vision);
  const int64_t side = first_integer(vision, {"image_size"}).value_or(0);
  const int64_t patch = first_integer(vision, {"patch_size"}).value_or(0);
  const bool known = type == "siglip_vision_model" || type == "clip_vision_model";
  if (!known || side < 1 || patch < 1) return 0;
  return (side / patch) * (side / patch) + (type == "clip_vision_model" ? 1 : 0);
}

class WholePrefixVlm : public CaptionerBase {
 public:
  WholePrefixVlm(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
                 const LoadOptions& options, const OnnxFile& file)
      : CaptionerBase(dir, config, device, options, kProcessor), image_positions_(image_positions(config)) {
    read_positions(section(config, "text_config"));
    load_whole(file);
    if (image_positions_ == 0)
      remarks_.push_back(
          "config.json does not tell how many positions an image takes: max_length counts text");
  }

 private:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                  const generate::GenerationConfig& config) override {
    refuse_task(prompt);
    text_ = started_ids(prompt.text, config);
    return {};
  }

  int64_t embedded_positions() const override { return image_positions_ + int64_t(text_.size()); }

  // The first call comes without ids: the prompt is this class's own.
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override {
    if (length > 0) return decoder_->step(ids, rows, length, reorder);
    std::vector<int64_t> prompts;
    for (int row = 0; row < rows; ++row) prompts.insert(prompts.end(), text_.begin(), text_.end());
    return decoder_->step(prompts, rows, int(text_.size()), reorder);
  }

  int64_t image_positions_;
  std::vector<int64_t> text_;
};

}  // namespace

std::unique_ptr<Captioner> load_prefix_vlm(const std::filesystem::path& dir, const nlohmann::json& config,
                                           session::Device& device, const LoadOptions& options) {
  const ModelFiles files(dir, options.dtype);
  if (const auto whole = files.find(image_text_role()); whole && !files.find(token_embeddings_role()))
    return std::make_unique<WholePrefixVlm>(dir, config, device, options, *whole);
  return std::make_unique<SplitPrefixVlm>(dir, config, device, options);
}

}  // namespace vulcap::loader
