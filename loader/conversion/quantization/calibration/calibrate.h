// Which numbers occur in a model, seen by running it on samples.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "loader/conversion/quantization/calibration/product_observer.h"
#include "loader/conversion/quantization/calibration/range.h"
#include "loader/conversion/samples.h"

namespace vulcap::quantization {

struct RangeOptions {
  RangeMethod method = RangeMethod::kMinMax;
  double percentile = 99.99;  // of RangeMethod::kPercentile
};

// Ranges by weight: of what enters the product with it, and of what a convolution gives.
class Calibration {
 public:
  Calibration(std::shared_ptr<const ProductObserver> seen, RangeOptions options)
      : seen_(std::move(seen)), options_(options) {}

  // None where no product with this f32 weight has run.
  std::optional<Range> operand(const core::Tensor& weight) const;
  // None but for convolutions.
  std::optional<Range> result(const core::Tensor& weight) const;

 private:
  Range range_of(const Histogram& seen) const;

  std::shared_ptr<const ProductObserver> seen_;
  RangeOptions options_;
};

// Runs the fp32 model of a folder on `samples`, on the CPU with so many threads (0: all processors). Throws
// core::Error: as load_sample_model, and kRuntime beginning with the sample that cannot be answered.
Calibration calibrate(const std::filesystem::path& dir, const conversion::Samples& samples,
                      const RangeOptions& options, int threads = 0, const loader::CaptionPrompt& prompt = {});

}  // namespace vulcap::quantization
