// A captioner on its device, as every command that captions uses it: one image or a batch in, an outcome an
// image out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "apps/cli/remarks.h"
#include "loader/tasks/captioner.h"

namespace vulcap::apps {

// What became of one image.
struct Captioned {
  loader::CaptionResult result;
  std::string error;     // one line; empty when there is a caption
  std::string device;    // that it ran on
  std::string fallback;  // why that is not the device that was asked for; empty: it is
};

// Not for several threads at once.
class CaptionEngine {
 public:
  // Opens the device and loads the model. Warnings and fallbacks go to `remarks`, which must live longer.
  // Throws core::Error.
  CaptionEngine(const ModelOptions& model, Remarks& remarks);

  // The folder's settings with `flags` over them.
  generate::GenerationConfig generation_config(const loader::GenerationFlags& flags);
  // An image that fails costs itself alone: where a batch fails, its images run one by one. Throws
  // core::Error for what no image can be blamed for, as a prompt that the model does not take.
  std::vector<Captioned> caption(std::span<const image::Image> images, const loader::CaptionPrompt& prompt,
                                 const generate::GenerationConfig& config);
  // One image; `on_text` receives pieces of the caption as they come (greedy only).
  Captioned caption(const image::Image& image, const loader::CaptionPrompt& prompt,
                    const generate::GenerationConfig& config, const loader::OnText& on_text = {});

  loader::Captioner& captioner() { return *captioner_; }
  const session::OpenedDevice& device() const { return opened_; }

 private:
  void tell();

  session::OpenedDevice opened_;
  std::unique_ptr<loader::Captioner> captioner_;
  Remarks& remarks_;
};

}  // namespace vulcap::apps
