// Texts that are equal for what computes the same.
#pragma once

#include <string>

#include "runtime/graph/graph.h"

namespace vulcap::passes {

// Dtype, shape and content.
std::string text_of(const core::Tensor& tensor);
// Operator and attributes, without operands; empty for nodes that hold graphs, which are not compared.
std::string key_of(const graph::Node& node);

}  // namespace vulcap::passes
