// Vision encoder-decoder (ViT-GPT2): pixel_values -> hidden states -> tokens by cross-attention. Follows
// transformers 4.57 VisionEncoderDecoderModel.generate and ViTImageProcessor; files in optimum's and the
// onnx-community layout. A prompt starts the decoder's text, as Donut's task prompts do.
#include "loader/families/captioner_base.h"
#include "loader/families/families.h"
#include "loader/families/model_folder.h"

namespace vulcap::loader {
namespace {

class VisionEncoderDecoder : public CaptionerBase {
 public:
  VisionEncoderDecoder(const std::filesystem::path& dir, const nlohmann::json& config,
                       session::Device& device, const LoadOptions& options)
      : CaptionerBase(dir, config, device, options, "ViTImageProcessor") {
    const auto decoder = config.find("decoder");
    if (decoder != config.end() && decoder->is_object()) read_positions(*decoder);
    load_graphs(ModelFiles(dir, options.dtype));
  }

 private:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                  const generate::GenerationConfig& config) override;
};

std::vector<int64_t> VisionEncoderDecoder::prompt_ids(const CaptionPrompt& prompt,
                                                      const generate::GenerationConfig& config) {
  refuse_task(prompt);
  return started_ids(prompt.text, config);
}

}  // namespace

std::unique_ptr<Captioner> load_vision_encoder_decoder(const std::filesystem::path& dir,
                                                       const nlohmann::json& config, session::Device& device,
                                                       const LoadOptions& options) {
  return std::make_unique<VisionEncoderDecoder>(dir, config, device, options);
}

}  // namespace vulcap::loader
