#include "loader/conversion/quantization/calibration/calibrate.h"

#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

namespace vulcap::quantization {

std::optional<Range> Calibration::operand(const core::Tensor& weight) const {
  const ProductObserver::Seen* seen = seen_->of(weight);
  if (seen == nullptr) return std::nullopt;
  return range_of(seen->operand);
}

std::optional<Range> Calibration::result(const core::Tensor& weight) const {
  const ProductObserver::Seen* seen = seen_->of(weight);
  if (seen == nullptr || seen->result.count() == 0) return std::nullopt;
  return range_of(seen->result);
}

Range Calibration::range_of(const Histogram& seen) const {
  switch (options_.method) {
    case RangeMethod::kMinMax:
      return min_max_range(seen);
    case RangeMethod::kPercentile:
      return percentile_range(seen, options_.percentile);
    case RangeMethod::kEntropy:
      return entropy_range(seen);
  }
  return {};
}

Calibration calibrate(const std::filesystem::path& dir, const conversion::Samples& samples,
                      const RangeOptions& options, int threads, const loader::CaptionPrompt& prompt) {
  const session::OpenedDevice opened = session::open_device({"cpu", threads});
  auto observer = std::make_shared<ProductObserver>();
  session::Device watched(
      std::make_shared<WatchedBackend>(opened.device->backend(),
                                       [&](const WatchedCall& call) { observer->see(call); }),
      opened.device->host());
  loader::LoadOptions load;
  load.dtype = "fp32";
  // Convolutions and their weights as the file has them.
  load.passes.disabled = {"conv_to_linear", "fuse_conv"};
  const auto model = conversion::load_sample_model(dir, watched, load, samples, prompt);
  for (size_t i = 0; i < samples.size(); ++i) {
    try {
      model->answer(samples[i]);
    } catch (core::Error& error) {
      if (!samples.are_images()) error.add_context("line " + std::to_string(i + 1));
      throw;
    }
  }
  return {std::move(observer), options};
}

}  // namespace vulcap::quantization
