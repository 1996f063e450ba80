// What a quantisation did to a model folder: sizes, how far outputs move, which answers change, how fast it
// runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "loader/conversion/quantization/output_errors.h"
#include "runtime/session/open_device.h"

namespace vulcap::quantization {

struct ChangedAnswer {
  std::string sample, before, after;
};

// Milliseconds a sample, the first left out: medians.
struct Speed {
  std::string device;
  double before = 0, after = 0;
};

struct Report {
  std::vector<FileResult> files;
  std::vector<OutputError> errors;
  size_t answers = 0;  // that were compared
  std::vector<ChangedAnswer> changed;
  std::vector<Speed> speeds;

  size_t bytes_before() const;
  size_t bytes_after() const;
  double change() const { return answers == 0 ? 0 : double(changed.size()) / double(answers); }
};

struct ReportRequest {
  std::filesystem::path before, after;  // model folders, perhaps the same; the fp32 files of `before` count
  std::optional<conversion::Samples> samples = {};  // none: no answers are compared and no times measured
  loader::CaptionPrompt prompt = {};
  std::vector<session::OpenedDevice> devices =
      {};            // answers are compared on the first, times measured on all
  size_t timed = 8;  // samples at most, on each device
};

// Runs both forms; `files` is what quantize_folder made of `before` in `after`. Throws core::Error when
// either cannot be run.
Report report_on(std::vector<FileResult> files, const ReportRequest& request);

// LoadOptions::dtype that takes exactly these files: "encoder_model=fp16,decoder_model_merged=q4".
std::string dtype_of(const std::vector<FileResult>& files);

}  // namespace vulcap::quantization
