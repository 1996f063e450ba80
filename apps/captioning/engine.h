// A captioner on its device, as every command that captions uses it: one image or a batch in, an outcome an
// image out. What the device cannot do, or does no more, is done again: in smaller batches where its memory
// is full, on the device opened anew where it was lost, else on the CPU.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
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
  std::string retry;     // what it took to get there: a smaller batch, a device opened anew; empty: nothing
};

// Not for several threads at once.
class CaptionEngine {
 public:
  // Opens the device and loads the model. Warnings and fallbacks go to `remarks`, which must live longer.
  // Throws core::Error.
  CaptionEngine(const ModelOptions& model, Remarks& remarks);
  CaptionEngine(const CaptionEngine&) = delete;
  CaptionEngine& operator=(const CaptionEngine&) = delete;

  // The folder's settings with `flags` over them.
  generate::GenerationConfig generation_config(const loader::GenerationFlags& flags);
  // An image that fails costs itself alone: where a batch fails, its images run one by one. Throws
  // core::Error for what no image can be blamed for, as a prompt that the model does not take, or a fallback
  // that is forbidden.
  std::vector<Captioned> caption(std::span<const image::Image> images, const loader::CaptionPrompt& prompt,
                                 const generate::GenerationConfig& config);
  // One image; `on_text` receives pieces of the caption as they come (greedy only).
  Captioned caption(const image::Image& image, const loader::CaptionPrompt& prompt,
                    const generate::GenerationConfig& config, const loader::OnText& on_text = {});

  // Valid until the next caption, which may have to load it anew.
  loader::Captioner& captioner() { return *captioner_; }
  const session::OpenedDevice& device() const { return opened_; }
  const std::filesystem::path& model_dir() const { return model_dir_; }

 private:
  using Work = std::function<std::vector<loader::CaptionResult>()>;

  void load();
  void load_or_fall_back();
  void open_again(bool on_cpu);
  // Makes another attempt worth while, or throws.
  void recover_memory(const std::string& reason, size_t images);
  void recover_device(const std::string& reason);
  void note(const std::string& what);
  // Until it succeeds or fails for a reason that is no fault of the device; empty: the batch must be smaller.
  // Throws core::Error.
  std::optional<std::vector<loader::CaptionResult>> attempt(size_t images, const Work& work);
  Captioned outcome(loader::CaptionResult result) const;
  void tell();

  ModelOptions model_;
  Remarks& remarks_;
  session::OpenedDevice opened_;
  std::filesystem::path model_dir_;
  std::unique_ptr<loader::Captioner> captioner_;
  size_t batch_limit_ = SIZE_MAX;  // images that fit the device's memory together
  bool answered_ = false;          // something was captioned since the device was opened
  std::string fallback_;
  std::string retry_;  // of the images that run now
};

}  // namespace vulcap::apps
