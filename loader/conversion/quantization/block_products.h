// Products with 4-bit weights: MatMul and Gemm become MatMulNBits or MatMulBnb4.
#pragma once

#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/quantize.h"

namespace vulcap::quantization {

// options.to is kQ4, kQ4F16 or kBnb4.
Changes quantize_products_in_blocks(GraphRewriter& rewriter, const Options& options);

}  // namespace vulcap::quantization
