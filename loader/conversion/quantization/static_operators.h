// Products, convolutions and tables with 8-bit weights whose activations are quantised by ranges seen before:
// QuantizeLinear and DequantizeLinear around them (QDQ), which run times fuse into integer operators.
#pragma once

#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/quantize.h"

namespace vulcap::quantization {

// options.to is kInt8 or kUint8, options.calibration is there. Throws core::Error(kUsage) for an opset that
// lacks the operators, or whose DequantizeLinear has no axis where scales are per channel.
Changes quantize_statically(GraphRewriter& rewriter, const Options& options);

}  // namespace vulcap::quantization
