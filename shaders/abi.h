// The parameter struct of every kernel: valid GLSL (std430 push constants) and C++. 4-byte members only, at most 128 bytes.
// Sizes, strides and offsets are in elements unless a name says otherwise. A pair x, x_dyn means x + x_dyn * state[0]:
// state[0] is the number of positions already in the key/value cache, so a recorded step replays unchanged.
#ifndef VULCAP_SHADERS_ABI_H
#define VULCAP_SHADERS_ABI_H

#ifdef __cplusplus
#include <cstdint>
namespace vulcap::abi {
using uint = uint32_t;
#define VULCAP_CONST inline constexpr uint
#else
#define VULCAP_CONST const uint
#endif

VULCAP_CONST kMaxRank = 6u;

// Activations fused behind a matrix product.
VULCAP_CONST kActNone = 0u;
VULCAP_CONST kActGelu = 1u;      // x * 0.5 * (1 + erf(x / sqrt(2)))
VULCAP_CONST kActGeluTanh = 2u;  // gelu_new: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
VULCAP_CONST kActRelu = 3u;
VULCAP_CONST kActQuickGelu = 4u;  // x * sigmoid(1.702 x)
VULCAP_CONST kActSilu = 5u;
VULCAP_CONST kActTanh = 6u;
VULCAP_CONST kActSigmoid = 7u;

// Reductions.
VULCAP_CONST kReduceSum = 0u;
VULCAP_CONST kReduceMean = 1u;
VULCAP_CONST kReduceMax = 2u;
VULCAP_CONST kReduceMin = 3u;
VULCAP_CONST kReduceProd = 4u;
VULCAP_CONST kReduceL1 = 5u;
VULCAP_CONST kReduceL2 = 6u;
VULCAP_CONST kReduceSumSquare = 7u;
VULCAP_CONST kReduceLogSum = 8u;
VULCAP_CONST kReduceLogSumExp = 9u;

// y[i] = f(x[i]); f is the row `op` of elementwise.def. bindings: x, y.
struct UnaryParams {
  uint n;
  uint op;
  float alpha;
  float beta;
};

// y[i] = f(a[ia], b[ib]); bindings: a, b, y. Contiguous output of `shape`; stride 0 broadcasts.
// Axes are right-aligned: unused leading axes have size 1.
struct BinaryParams {
  uint n;
  uint op;
  uint shape[6];
  uint a_stride[6];
  uint b_stride[6];
};

// y[i] = c[ic] ? a[ia] : b[ib]; bindings: c (bool), a, b, y.
struct WhereParams {
  uint n;
  uint shape[6];
  uint c_stride[6];
  uint a_stride[6];
  uint b_stride[6];
};

// y[out_offset + i . out_stride] = x[in_offset + i . in_stride] for i in shape; bindings: x, y.
// Transpose, Slice, Concat, Split, Expand, Tile and key/value append. Variant by element size (b1 b2 b4 b8).
struct CopyParams {
  uint n;
  uint shape[6];
  int in_stride[6];
  int out_stride[6];
  int in_offset;
  int in_offset_dyn;
  int out_offset;
  int out_offset_dyn;
};

// y[o, i, k] = x[o, index[i], k]; negative indices count from axis_size. bindings: x, index, y.
// x holds the rows [row_begin, row_end) of the axis; indices outside them are left to another call. Variant: element size, index dtype.
struct GatherParams {
  uint n;  // outer * indices * inner
  uint indices;
  uint inner;
  uint axis_size;
  uint row_begin;
  uint row_end;
};

// y[i] = start + step * i; bindings: y. Variant: dtype.
struct IotaParams {
  uint n;
  int start;
  int start_dyn;
  int step;
};

// y[i] = value; bindings: y. Variant by element size; low words first.
struct FillParams {
  uint n;
  uint value_low;
  uint value_high;
};

// y[i] = dtype(x[i]); float to integer truncates. bindings: x, y. Variant: source and destination dtype.
struct CastParams {
  uint n;
};

// C[b, m, c_column + n] = act(alpha * sum_k A[b, m, k] * B[b, k, n] + bias[n]) + residual[b, m, c_column + n]
// bindings: A, B, bias or A, residual or A, C (an absent operand is bound to A and not read).
// B is [k, n] with row stride ldb, or [n, k] when kMatmulTransB. bias is indexed by c_column + n. residual is laid out like C.
VULCAP_CONST kMatmulTransB = 1u;
VULCAP_CONST kMatmulBias = 2u;
VULCAP_CONST kMatmulResidual = 4u;
VULCAP_CONST kMatmulBiasPerRow = 8u;  // bias[m] instead of bias[n]
struct MatmulParams {
  uint m;
  uint n;
  uint k;
  uint batch;
  uint lda;
  uint ldb;
  uint ldc;
  uint a_batch;  // batch strides; 0 shares one matrix
  uint b_batch;
  uint c_batch;
  uint a_offset;
  uint c_column;
  uint flags;
  uint act;
  float alpha;
};

// Softmax over the last axis of x[rows, cols]; bindings: x, y. log != 0: log-softmax.
struct SoftmaxParams {
  uint rows;
  uint cols;
  uint log_output;
};

// y = (v - mean) / sqrt(var + epsilon) * scale + bias over the last axis, v = x (+ skip); sum = v when kNormSum.
// kNormRms: no mean is taken away. bindings: x, skip or x, scale, bias or scale, y, sum or y.
VULCAP_CONST kNormSkip = 1u;
VULCAP_CONST kNormBias = 2u;
VULCAP_CONST kNormSum = 4u;
VULCAP_CONST kNormRms = 8u;
struct LayerNormParams {
  uint rows;
  uint cols;
  uint flags;
  float epsilon;
};

// y[o, i] = reduce over r of x[o, r, i]; bindings: x, y.
struct ReduceParams {
  uint outer;
  uint reduce;
  uint inner;
  uint op;
};

// Scaled dot-product attention:
//   o[b,h,i,:] = softmax_j(scale * q[b,h,i,:] . k[b',h',j,:] + mask[b,h,i,j]) v[b',h',j,:]
// h' = h * kv_heads / heads, b' = rows[b * rows_stride + j] when kAttentionRows (beam search), else b / batch_group.
// kAttentionCausal: j <= i + kv_len - q_len. Element (b,h,i,d) of an operand x is at x_offset + b*x_b + h*x_h + i*x_s + d.
// A row whose keys are all masked gives zeros. bindings: q, k, v, mask or q, rows or q, o.
VULCAP_CONST kAttentionCausal = 1u;
VULCAP_CONST kAttentionMask = 2u;
VULCAP_CONST kAttentionRows = 4u;
struct AttentionParams {
  uint batch;
  uint heads;
  uint kv_heads;
  uint q_len;
  uint kv_len;
  uint kv_len_dyn;
  uint head_dim;
  uint v_dim;
  float scale;
  uint flags;
  uint q_offset, q_b, q_h, q_s;
  uint k_offset, k_b, k_h, k_s;
  uint v_offset, v_b, v_h, v_s;
  uint o_b, o_h, o_s;
  uint mask_b, mask_h, mask_q;
  uint batch_group;
  uint rows_stride;
};

// Patches of x[batch, channels, in_h, in_w] as a matrix: y[b, p, c * kernel_h * kernel_w + i * kernel_w + j], p = oh * out_w + ow.
// Positions in the padding read 0. bindings: x, y.
struct Im2colParams {
  uint batch, channels, in_h, in_w;
  uint out_h, out_w, kernel_h, kernel_w;
  uint stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  uint channel_begin, channel_stride;  // first channel and channels of the whole tensor (groups)
};

#ifdef __cplusplus
}  // namespace vulcap::abi
#undef VULCAP_CONST
#endif
#endif
