// What `vulcap quantize` runs a model for: ranges of its activations, what the quantisation changed, and the
// search of a mix of formats.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/cli11_fwd.h"
#include "loader/conversion/quantization/quantize.h"
#include "loader/conversion/samples.h"
#include "runtime/session/open_device.h"

namespace vulcap::apps {

class QuantizationTrials {
 public:
  void add_to(CLI::App& command);

  // Throws core::Error(kUsage) for what cannot be done with the model and the output, before anything is.
  void check(const std::filesystem::path& model, const std::filesystem::path& out) const;
  bool searches() const { return search_; }
  // Ranges for the model's activations; null where none were asked for. `model` is a folder or a file of one.
  std::shared_ptr<const quantization::Calibration> calibrate(const std::filesystem::path& model) const;
  // The modules of the smallest mix that keeps to --max-caption-change; files that are not named stay fp32.
  std::vector<quantization::ModuleFormat> search(const std::filesystem::path& model,
                                                 const quantization::Options& options) const;
  // Says what changed, and writes --report. `files` lie in the folder `out`, or where it is empty in `model`.
  // Returns the exit code.
  int report(const std::filesystem::path& model, const std::filesystem::path& out,
             std::vector<quantization::FileResult> files) const;

 private:
  std::optional<conversion::Samples> samples() const;
  session::OpenedDevice open(const std::string& device) const;
  std::vector<session::OpenedDevice> devices() const;

  std::string calibration_, method_ = "minmax", images_, report_, max_change_ = "1%";
  double percentile_ = 99.99;
  size_t calibration_samples_ = 128;
  loader::CaptionPrompt prompt_;
  int threads_ = 0;
  bool search_ = false, silent_ = false;
};

}  // namespace vulcap::apps
