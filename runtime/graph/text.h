// The text form of a graph: one line a value or node, written by to_text and read back by parse_text.
//
//   graph(%x: f32[batch,3], %past: f32[1,4,$past,8] capacity=32) {
//     const %w: f32[3,4] = {0.5}              one number: every element; or all of them; `?`: content not
//     written %y: f32[batch,4] = MatMul(%x, %w) {alpha=1.5, perm=[0,2,1], mode="linear"} %z, %u =
//     com.microsoft.Op(%y, _)        _ is an absent operand; shapes may be left out return %y
//   }
#pragma once

#include <string>
#include <string_view>

#include "runtime/graph/graph.h"

namespace vulcap::graph {

// Constants of more than 16 elements are written as one number when uniform, else as `?`. Subgraphs are not
// written.
std::string to_text(const Graph& graph);
// Throws Error(kInvalidModel) with the line number. A constant `?` gets seeded pseudo-random content.
Graph parse_text(std::string_view text);

}  // namespace vulcap::graph
