// Names of the integer operators that composites and passes make; attributes and operands are described where
// they are registered.
#pragma once

#include <string_view>

namespace vulcap::ops {

// A, B, a_zero?, b_zero?, scale? (f32), bias? (i32 before the scale, f32 after it), residual?; transB, act
inline constexpr std::string_view kIntegerProduct = "IntegerProduct";
// x, w, x_zero?, w_zero?, scale? (one or one a channel), bias? (i32); the attributes of Conv
inline constexpr std::string_view kIntegerConv = "IntegerConv";
// x, w, scale, zero?, bias?, residual?; see operators/matmul_quantized.cpp
inline constexpr std::string_view kQuantizedLinear = "QuantizedLinear";

}  // namespace vulcap::ops
