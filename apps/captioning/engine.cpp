#include "apps/captioning/engine.h"

#include "apps/cli/log.h"
#include "runtime/core/error.h"

namespace vulcap::apps {

CaptionEngine::CaptionEngine(const ModelOptions& model, Remarks& remarks)
    : opened_(model.open_for_user()), remarks_(remarks) {
  captioner_ = loader::load_captioner(model.model_dir(), *opened_.device, model.load_options());
  tell();
  for (const std::string& line : captioner_->description()) log_detail(line);
}

void CaptionEngine::tell() {
  remarks_.warn(captioner_->warnings());
  remarks_.tell(captioner_->fallbacks());
}

generate::GenerationConfig CaptionEngine::generation_config(const loader::GenerationFlags& flags) {
  std::vector<std::string> warnings;
  generate::GenerationConfig config = captioner_->generation_config(flags, warnings);
  remarks_.warn(warnings);
  return config;
}

Captioned CaptionEngine::caption(const image::Image& image, const loader::CaptionPrompt& prompt,
                                 const generate::GenerationConfig& config, const loader::OnText& on_text) {
  Captioned captioned;
  captioned.device = opened_.name;
  try {
    captioned.result = captioner_->caption(image, prompt, config, on_text);
  } catch (const core::Error& error) {
    // A bad image is that image's failure; anything else ends the run.
    if (error.code() != core::ErrorCode::kRuntime) throw;
    captioned.error = error.message();
  }
  tell();
  return captioned;
}

std::vector<Captioned> CaptionEngine::caption(std::span<const image::Image> images,
                                              const loader::CaptionPrompt& prompt,
                                              const generate::GenerationConfig& config) {
  std::vector<Captioned> all;
  try {
    for (loader::CaptionResult& result : captioner_->caption_batch(images, prompt, config))
      all.push_back({std::move(result), {}, opened_.name, {}});
    tell();
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRuntime) throw;
    all.clear();
    for (const image::Image& image : images) all.push_back(caption(image, prompt, config));
  }
  return all;
}

}  // namespace vulcap::apps
