// The graph in half precision, with inputs and outputs of the type they had.
#pragma once

#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/quantize.h"

namespace vulcap::quantization {

// Throws core::Error(kUsage) for a model with functions of its own, whose types nothing says.
Changes turn_to_half(GraphRewriter& rewriter, const std::vector<std::string>& exclude);

}  // namespace vulcap::quantization
