// The layer_norm kernel's call, for the operators that are made of it.
#pragma once

#include "runtime/ops/op_registry.h"
#include "shaders/abi.h"

namespace vulcap::ops {

// Absent operands are kNoValue. scale and bias have x's dtype; mean and inverse are f32 (see LayerNormParams:
// read when p.flags has kNormGiven, else written).
struct NormOperands {
  ValueId x = graph::kNoValue, skip = graph::kNoValue, scale = graph::kNoValue, bias = graph::kNoValue;
  ValueId y = graph::kNoValue, sum = graph::kNoValue, mean = graph::kNoValue, inverse = graph::kNoValue;
};

// p.rows, cols, epsilon and, with kNormRowScale, period, step and inner are the caller's; flags of operands
// are set here.
void emit_norm(LowerContext& c, const NormOperands& operands, abi::LayerNormParams p);

}  // namespace vulcap::ops
