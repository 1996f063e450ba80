// Convolutions in kernel calls, for the operators that are or contain one.
#pragma once

#include "runtime/ops/window.h"
#include "shaders/abi.h"

namespace vulcap::ops {

struct ConvOperands {
  ValueId x = graph::kNoValue;       // [batch, channels, spatial...]
  ValueId weight = graph::kNoValue;  // [out channels, channels / group, kernel...]
  ValueId bias = graph::kNoValue;    // [out channels] or absent
  ValueId out = graph::kNoValue;     // [batch, out channels, spatial...]
};

// out = act(conv(x, weight) + bias): a matrix product for one group, over patches unless the kernel is one
// point; sums over windows for several.
void emit_conv(LowerContext& c, const ConvOperands& operands, const Window& window, int64_t group,
               uint32_t act = abi::kActNone);
// patches[batch, positions, channels * taps] of x.
void emit_patches(LowerContext& c, ValueId x, ValueId patches, const Window& window);

}  // namespace vulcap::ops
