// The part of abi.h that quantised kernels use; included there, inside its namespace.
#ifndef VULCAP_SHADERS_ABI_QUANTISED_H
#define VULCAP_SHADERS_ABI_QUANTISED_H

// Quantised numbers. The scale and zero point of element i of x[outer, axis, inner] stand at index
//   i / (axis * inner) * outer_stride + i / inner % axis / block * axis_stride + i % inner * inner_stride.
// quantize: y = saturate(round_to_even(x / scale) + zero); dequantize: y = (x - zero) * scale.
// bindings: x, scale, zero (of the quantised type) or scale, y. Variant: dtypes of x and y.
VULCAP_CONST kQuantizeZero = 1u;
VULCAP_CONST kQuantizeKeepRange = 2u;  // to 8-bit floats: what is out of range becomes NaN or infinity
struct QuantizeParams {
  uint n;
  uint axis;
  uint inner;
  uint block;
  uint outer_stride;
  uint axis_stride;
  uint inner_stride;
  uint flags;
  uint scale_type;  // a core::DType: f32 or f16
};

// Scale and zero point (u8) of DynamicQuantizeLinear for a tensor whose rows reach from low[i] to high[i], i < n.
// bindings: low, high, scale (f32), zero (u8).
struct QuantizeRangeParams {
  uint n;
};

// acc[b, m, n] = sum_k (A[b, m, k] - a_zero) (B[b, k, n] - b_zero) + bias (i32, kIntegerBias) in int32 that wraps.
// Without kIntegerScale C = acc; with it C = act(acc * scale + bias (f32, kIntegerFloatBias)) + residual, in f32.
// a_zero is at b * a_zero_batch + m * a_zero_step, b_zero at b * b_zero_batch + n * b_zero_step. scale and bias are those of
// column n, or with kIntegerPerRow of row m; scale_step 0: one scale. A zero point that is absent is bound to A.
// bindings: A, B, a_zero, b_zero, scale or A, bias or A, residual or A, C. Variant: dtypes of A and B (u8 or i8).
VULCAP_CONST kIntegerTransB = 1u;
VULCAP_CONST kIntegerAZero = 2u;
VULCAP_CONST kIntegerBZero = 4u;
VULCAP_CONST kIntegerScale = 8u;
VULCAP_CONST kIntegerBias = 16u;
VULCAP_CONST kIntegerFloatBias = 32u;
VULCAP_CONST kIntegerPerRow = 64u;
VULCAP_CONST kIntegerResidual = 128u;
struct MatmulIntegerParams {
  uint m;
  uint n;
  uint k;
  uint batch;
  uint lda;
  uint ldb;
  uint ldc;
  uint a_batch;
  uint b_batch;
  uint c_batch;
  uint a_offset;
  uint flags;
  uint act;
  uint a_zero_step;
  uint a_zero_batch;
  uint b_zero_step;
  uint b_zero_batch;
  uint scale_step;
  uint channel;  // first row's index into a_zero and, with kIntegerPerRow, into scale and bias
  uint c_offset;
};

// C[m, c_column + n] = act(sum_k A[m, k] * w[k, n] + bias[n]) + residual, w = (B[k, n] - zero) * scale, or a row of a table
// times the scale. B holds elements of `bits` bits, low bits first (kWeightHighFirst: high first); element (k, n) is number
// k * b_k + n * b_n, its scale number k / block * s_k + n * s_n and its zero point number k / block * z_k + n * z_n; with
// kWeightFlatBlocks the scale is number (n * k_total + k) / block. bias is indexed by c_column + n.
// bindings: A, B, scale, zero or A, bias or A, residual or A, C. Variant: dtype of A; dtype of B.
VULCAP_CONST kWeightBias = 1u;
VULCAP_CONST kWeightResidual = 2u;
VULCAP_CONST kWeightSigned = 4u;
VULCAP_CONST kWeightZero = 8u;        // packed like B
VULCAP_CONST kWeightZeroReal = 16u;   // zero points of the scale's dtype
VULCAP_CONST kWeightHighFirst = 32u;
VULCAP_CONST kWeightFlatBlocks = 64u;
VULCAP_CONST kWeightFp4 = 128u;
VULCAP_CONST kWeightNf4 = 256u;
struct MatmulQuantizedParams {
  uint m;
  uint n;
  uint k;
  uint lda;
  uint ldc;
  uint c_column;
  uint bits;
  uint block;
  uint b_k, b_n;
  uint s_k, s_n;
  uint z_k, z_n;
  uint flags;
  uint act;
  uint scale_type;  // a core::DType: f32 or f16
  float zero;       // where no zero points are given
};

#endif
