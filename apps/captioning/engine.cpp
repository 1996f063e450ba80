#include "apps/captioning/engine.h"

#include <algorithm>
#include <new>

#include "apps/captioning/resumed_stream.h"
#include "apps/cli/fallbacks.h"
#include "apps/cli/log.h"
#include "apps/cli/placement_report.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

// An error's message without its advice, which is for those who have to act.
std::string cause_of(const core::Error& error) {
  return error.message().substr(0, error.message().find("; "));
}

}  // namespace

CaptionEngine::CaptionEngine(const ModelOptions& model, Remarks& remarks)
    : model_(model), remarks_(remarks), opened_(model.open_for_user()), model_dir_(model.model_dir()) {
  load_or_fall_back();
  for (const std::string& line : captioner_->description()) log_detail(line);
}

void CaptionEngine::load() {
  opened_.device->on_fall_back([this](const std::string& reason) {
    fallback_ = reason;
    tell_fallback("fallback to cpu: " + reason);
    placement_report().add_event(reason);
  });
  captioner_ = loader::load_captioner(model_dir_, *opened_.device, model_.load_options());
  tell();
}

void CaptionEngine::load_or_fall_back() {
  for (;;) {
    try {
      return load();
    } catch (const plan::OutOfMemory& error) {
      recover_memory(cause_of(error), 1);
    } catch (const plan::DeviceLost& error) {
      recover_device(cause_of(error));
    }
  }
}

void CaptionEngine::open_again(bool on_cpu) {
  const bool leaves_device = opened_.is_vulkan;  // else it is the cpu already, and stays
  captioner_.reset();
  opened_ = {};
  answered_ = false;
  if (!on_cpu && leaves_device) {
    try {
      opened_ = model_.open_again(false);
    } catch (const core::Error& error) {
      fallback_ += (fallback_.empty() ? "" : "; ") + ("the device cannot be opened anew: " + error.message());
    }
  }
  if (opened_.device) return;
  if (leaves_device) {
    model_.check_fallback(fallback_);
    tell_fallback("fallback to cpu: " + fallback_);
  }
  opened_ = model_.open_again(true);
}

void CaptionEngine::note(const std::string& what) {
  retry_ += (retry_.empty() ? "" : "; ") + what;
  placement_report().add_event(what);
}

void CaptionEngine::recover_memory(const std::string& reason, size_t images) {
  if (!opened_.is_vulkan && images <= 1) throw core::Error(core::ErrorCode::kRuntime, reason);
  const bool smaller = images > 1;
  const std::string what = smaller ? std::to_string(images) + " images together do not fit the memory (" +
                                         reason + "), " + std::to_string(images / 2) + " are tried"
                                   : reason;
  note(what);
  if (smaller) {
    log_info(what);
    batch_limit_ = images / 2;
  } else {
    fallback_ = reason;
  }
  // What memory holds is let go before the next attempt.
  open_again(!smaller);
  load_or_fall_back();
}

void CaptionEngine::recover_device(const std::string& reason) {
  if (!opened_.is_vulkan) throw core::Error(core::ErrorCode::kRuntime, reason);
  // One that fails before it has answered anything would do so for ever.
  const bool again = answered_;
  note(reason + (again ? "; the device is opened anew" : "; the cpu takes over"));
  fallback_ = reason;
  if (again) log_info("the device is opened anew: " + reason);
  open_again(!again);
  if (opened_.is_vulkan) fallback_.clear();
  load_or_fall_back();
}

std::optional<std::vector<loader::CaptionResult>> CaptionEngine::attempt(size_t images, const Work& work) {
  if (!captioner_) throw core::Error(core::ErrorCode::kNoDevice, "no device is left: " + fallback_);
  for (;;) {
    try {
      // With one image the rest of the model may move; more of them had better be fewer.
      opened_.device->keep_spare(images > 1);
      auto results = work();
      answered_ = true;
      return results;
    } catch (const plan::OutOfMemory& error) {
      recover_memory(cause_of(error), images);
    } catch (const plan::DeviceLost& error) {
      recover_device(cause_of(error));
    } catch (const std::bad_alloc&) {
      recover_memory("the machine's memory is exhausted", images);
    }
    if (images > batch_limit_) return std::nullopt;
  }
}

Captioned CaptionEngine::outcome(loader::CaptionResult result) const {
  return {std::move(result), {}, opened_.name, fallback_, retry_};
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
  retry_.clear();
  ResumedStream stream(on_text);
  try {
    auto results = attempt(1, [&] {
      std::vector<loader::CaptionResult> one;
      one.push_back(captioner_->caption(image, prompt, config, stream.begin()));
      return one;
    });
    tell();
    return outcome(std::move(results->at(0)));
  } catch (const core::Error& error) {
    // A bad image is that image's failure; anything else ends the run.
    if (error.code() != core::ErrorCode::kRuntime) throw;
    Captioned failed = outcome({});
    failed.error = error.message();
    return failed;
  }
}

std::vector<Captioned> CaptionEngine::caption(std::span<const image::Image> images,
                                              const loader::CaptionPrompt& prompt,
                                              const generate::GenerationConfig& config) {
  std::vector<Captioned> all;
  retry_.clear();
  while (all.size() < images.size()) {
    const auto part = images.subspan(all.size(), std::min(batch_limit_, images.size() - all.size()));
    try {
      auto results = attempt(part.size(), [&] { return captioner_->caption_batch(part, prompt, config); });
      if (!results) continue;
      tell();
      for (loader::CaptionResult& result : *results) all.push_back(outcome(std::move(result)));
    } catch (const core::Error& error) {
      if (error.code() != core::ErrorCode::kRuntime) throw;
      for (const image::Image& image : part) all.push_back(caption(image, prompt, config));
    }
  }
  return all;
}

}  // namespace vulcap::apps
