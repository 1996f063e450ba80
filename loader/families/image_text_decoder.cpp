// Models with a token for images (LLaVA, Moondream, Idefics3, SmolVLM, PaliGemma and whatever has their
// files): vision_encoder (pixel_values -> image_features), embed_tokens (input_ids -> inputs_embeds) and
// decoder_model_merged (inputs_embeds -> logits). Image features take the place of the image token.
#include <algorithm>

#include "loader/families/embeddings_captioner.h"
#include "loader/families/families.h"
#include "loader/families/image_prompt.h"

namespace vulcap::loader {
namespace {

class ImageTextDecoder : public EmbeddingsCaptioner {
 public:
  ImageTextDecoder(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
                   const LoadOptions& options)
      : EmbeddingsCaptioner(dir, config, device, options, "CLIPImageProcessor"),
        prompt_(dir, config, tokenizer_) {
    load_parts(config, prompt_.first_position());
    remarks_.insert(remarks_.end(), prompt_.remarks().begin(), prompt_.remarks().end());
  }

 private:
  std::vector<int64_t> layout(const CaptionPrompt& prompt, const generate::GenerationConfig&) override {
    refuse_task(prompt);
    if (prompt.text.empty()) tell_usual_question();
    std::vector<int64_t> ids = prompt_.ids(prompt.text, features());
    std::replace(ids.begin(), ids.end(), prompt_.image_id(), kImage);
    return ids;
  }

  std::optional<int64_t> visible_image_id() const override {
    return prompt_.shows_ids() ? std::optional(prompt_.image_id()) : std::nullopt;
  }

  void tell_usual_question() {
    if (told_ || prompt_.usual_question().empty()) return;
    told_ = true;
    remarks_.push_back("without --prompt the model is asked '" + prompt_.usual_question() + "'");
  }

  ImagePrompt prompt_;
  bool told_ = false;
};

}  // namespace

std::unique_ptr<Captioner> load_image_text_decoder(const std::filesystem::path& dir,
                                                   const nlohmann::json& config, session::Device& device,
                                                   const LoadOptions& options) {
  return std::make_unique<ImageTextDecoder>(dir, config, device, options);
}

}  // namespace vulcap::loader
