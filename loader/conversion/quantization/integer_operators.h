// Products, convolutions and tables with 8-bit weights. Activations are quantised as they come: MatMul and
// Gemm become DynamicQuantizeLinear and MatMulInteger, Conv becomes ConvInteger, Gather picks stored rows and
// dequantises them.
#pragma once

#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/quantize.h"

namespace vulcap::quantization {

// options.to is kInt8 or kUint8. Throws core::Error(kUsage) for an opset before 11, which lacks the
// operators.
Changes quantize_to_integers(GraphRewriter& rewriter, const Options& options);

}  // namespace vulcap::quantization
