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
// The flags apply to floats of 8 bits, which otherwise saturate; kF8E8M0 rounds up unless told.
VULCAP_CONST kCastNoSaturate = 1u;
VULCAP_CONST kCastRoundDown = 2u;
VULCAP_CONST kCastRoundNearest = 4u;
struct CastParams {
  uint n;
  uint flags;
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
// kNormRms: no mean is taken away. scale and bias are indexed by the column or, with kNormRowScale, by (row % period) * step +
// column / inner. kNormMoments: mean[row] and inverse[row] = 1 / sqrt(var + epsilon) are stored, in f32; kNormGiven: mean and the
// variance are read from there instead, at row % period.
// bindings: x, skip or x, scale or x, bias or x, y, sum or y, mean or y, inverse or y.
VULCAP_CONST kNormSkip = 1u;
VULCAP_CONST kNormBias = 2u;
VULCAP_CONST kNormSum = 4u;
VULCAP_CONST kNormRms = 8u;
VULCAP_CONST kNormNoScale = 16u;
VULCAP_CONST kNormRowScale = 32u;
VULCAP_CONST kNormMoments = 64u;
VULCAP_CONST kNormGiven = 128u;
struct LayerNormParams {
  uint rows;
  uint cols;
  uint flags;
  float epsilon;
  uint period, step, inner;
};

// y[o, i] = reduce over r of x[o, r, i]; bindings: x, y.
struct ReduceParams {
  uint outer;
  uint reduce;
  uint inner;
  uint op;
};

// Scaled dot-product attention:
//   o[b,h,i,:] = softmax_j(cap(scale * q[b,h,i,:] . k[b',h',j,:]) + mask[b,h,i,j]) v[b',h',j,:]
// h' = h * kv_heads / heads, b' = rows[b * batch_step + j] when kAttentionRows (beam search; negative entries at a row's front hide their keys), else b / batch_step.
// cap(x) = softcap * tanh(x / softcap) unless softcap is 0. kAttentionLengths: j < lengths[b].
// kAttentionCausal: j <= i + n - new_keys, n = kv_len or, with kAttentionCausalLengths, the lengths[b] that is used;
// window > 0: also j > i + n - new_keys - window.
// Element (b,h,i,d) of an operand x is at x_offset + b*x_b + h*x_h + i*x_s + d. A row whose keys are all masked gives zeros.
// bindings: q, k, v, mask or q, rows (i32) or q, o, lengths (i32) or q.
VULCAP_CONST kAttentionCausal = 1u;
VULCAP_CONST kAttentionMask = 2u;
VULCAP_CONST kAttentionRows = 4u;
VULCAP_CONST kAttentionLengths = 8u;
VULCAP_CONST kAttentionCausalLengths = 16u;
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
  float softcap;
  uint flags;
  uint new_keys;
  uint window;
  uint q_offset, q_b, q_h, q_s;
  uint k_offset, k_b, k_h, k_s;
  uint v_offset, v_b, v_h, v_s;
  uint o_b, o_h, o_s;
  uint mask_b, mask_h, mask_q;
  uint batch_step;
};

// Patches of x[batch, channels, in...] as a matrix: y[b, p, c * taps + t] for output position p and tap t of the window.
// Axes of windows are depth, height, width; fewer spatial axes lie at the end. Positions in the padding read 0. bindings: x, y.
struct Im2colParams {
  uint batch, channels;
  uint in_shape[3], out_shape[3], kernel[3], stride[3], dilation[3];
  int pad[3];  // in front of an axis; negative crops
  uint channel_begin, channel_stride;  // first channel and channels of the whole tensor
};

// y[b, o, p] = act(bias[o] + sum over c, t of w[o, c, t] * x[b, o / out_channels * in_channels + c, p * stride + t * dilation - pad])
// in_channels and out_channels are those of one group. bindings: x, w, bias or w, y.
VULCAP_CONST kConvBias = 1u;
struct ConvParams {
  uint batch, groups, in_channels, out_channels;
  uint in_shape[3], out_shape[3], kernel[3], stride[3], dilation[3];
  int pad[3];
  uint flags;
  uint act;
};

// One window of each of `planes` planes an output. bindings: x, y, indices (i64) or y. kPoolMax gives the lowest number for a window
// without elements; kPoolMean divides by the elements inside the image or, with kPoolCountPads, inside its padding too.
// Indices count over all planes; inside a plane row-major or, with kPoolColumnMajor, first axis fastest.
VULCAP_CONST kPoolMax = 0u;
VULCAP_CONST kPoolMean = 1u;
VULCAP_CONST kPoolLp = 2u;  // (sum |x|^power)^(1 / power)
VULCAP_CONST kPoolCountPads = 1u;
VULCAP_CONST kPoolIndices = 2u;
VULCAP_CONST kPoolColumnMajor = 4u;
struct PoolParams {
  uint planes, op;
  uint in_shape[3], out_shape[3], kernel[3], stride[3], dilation[3];
  int pad[3];
  uint pad_end[3];
  uint flags;
  float power;
};

// y[o, j, i] = weight[j, taps] + sum over t < taps of weight[j, t] * x[o, index[j, t], i]; weight has taps + 1 columns.
// bindings: x, index (i32), weight (f32), y.
struct ResizeParams {
  uint outer, in_size, out_size, inner, taps;
};

// Columns of a deformable convolution: y[b, c * taps + t, p] = mask * x[b, c] read between its pixels at p * stride + t * dilation -
// pad + offset. offset[b, g, t, 2, p], mask[b, g, t, p], g = c * offset_groups / channels. bindings: x, offset, mask or offset, y.
struct DeformParams {
  uint batch, channels, offset_groups, masked;
  uint in_shape[2], out_shape[2], kernel[2], stride[2], dilation[2];
  int pad[2];
};

// One step of a recurrent layer: gates from gx[pos, b] (the input's product with its bias) and gh[b] (the state's). pos is `step`, or
// counts from the end with kCellReverse: of the batch item's own length when kCellLengths. Steps behind that length leave the state
// and write y 0. Gates are in ONNX order: LSTM i o f c, GRU z r h. Activation k is acts[k] of kCellAct* with alpha[k] and beta[k].
// bindings: gx, gh, third (peepholes of an LSTM; of a GRU the h gate's product or, as an output of kCellReset, r * h), h, c or h,
// lengths (i32) or h, y or h.
VULCAP_CONST kCellRnn = 0u;
VULCAP_CONST kCellLstm = 1u;
VULCAP_CONST kCellGru = 2u;
VULCAP_CONST kCellReset = 3u;   // of a GRU: third = r * h
VULCAP_CONST kCellReverse = 1u;
VULCAP_CONST kCellLengths = 2u;
VULCAP_CONST kCellY = 4u;
VULCAP_CONST kCellPeepholes = 8u;
VULCAP_CONST kCellCoupled = 16u;  // LSTM: f = 1 - i
VULCAP_CONST kCellLinear = 32u;   // GRU: h gate = gx + r * gh
VULCAP_CONST kCellClip = 64u;
VULCAP_CONST kCellActSigmoid = 0u;
VULCAP_CONST kCellActTanh = 1u;
VULCAP_CONST kCellActRelu = 2u;
VULCAP_CONST kCellActAffine = 3u;
VULCAP_CONST kCellActLeakyRelu = 4u;
VULCAP_CONST kCellActThresholdedRelu = 5u;
VULCAP_CONST kCellActScaledTanh = 6u;
VULCAP_CONST kCellActHardSigmoid = 7u;
VULCAP_CONST kCellActElu = 8u;
VULCAP_CONST kCellActSoftsign = 9u;
VULCAP_CONST kCellActSoftplus = 10u;
struct CellParams {
  uint batch, hidden, step, steps, kind, flags;
  uint acts[3];
  float alpha[3], beta[3];
  float clip;
  uint gx_t, gx_b;
  uint y_t, y_b, y_offset;
};

// Elements named by index. Item i of `shape` stands for the element of x at
//   i . x_stride + sum over d < depth of index[i . i_stride + d] * stride[d]
// where a negative index counts from size[d]. Axes are right-aligned.
// gather_nd: y[i] = that element; bindings: x, index, y. Variant: element size, index dtype.
// scatter_nd: that element = it op y[i], in order of i; bindings: x, index, y. x is written. Variant: dtype, index dtype.
// Several items may name one element only along axes with x_stride 0.
VULCAP_CONST kScatterSet = 0u;
VULCAP_CONST kScatterAdd = 1u;
VULCAP_CONST kScatterMul = 2u;
VULCAP_CONST kScatterMin = 3u;
VULCAP_CONST kScatterMax = 4u;
struct GatherNdParams {
  uint shape[6];
  uint x_stride[6];
  uint i_stride[6];
  uint depth;
  uint size[6];
  uint stride[6];
  uint op;
};

// The k largest or smallest of x[o, :, i] in order, and their places as i64; of equals the first place comes first,
// or the last with kTopKLast. NaN counts as the largest. bindings: x, values[outer, k, inner], places[outer, k, inner].
VULCAP_CONST kTopKLargest = 1u;
VULCAP_CONST kTopKLast = 2u;
struct TopKParams {
  uint outer;
  uint reduce;
  uint inner;
  uint k;
  uint flags;
};

// y[o, r, i] = sum or product of x[o, :, i] up to r, without r itself when kCumulativeExclusive, from the end when
// kCumulativeReverse. bindings: x, y.
VULCAP_CONST kCumulativeExclusive = 1u;
VULCAP_CONST kCumulativeReverse = 2u;
VULCAP_CONST kCumulativeProduct = 4u;
struct CumulativeParams {
  uint outer;
  uint reduce;
  uint inner;
  uint flags;
};

// y[b, c, o] = x[b, c] sampled at grid[b, o, :], whose `axes` coordinates in [-1, 1] name the last axis of x first.
// Sizes are [depth, height, width] with depth 1 when axes is 2. bindings: x, grid, y.
VULCAP_CONST kSampleNearest = 0u;
VULCAP_CONST kSampleLinear = 1u;
VULCAP_CONST kSampleCubic = 2u;  // a = -0.75
VULCAP_CONST kSampleZeros = 0u;  // what lies outside
VULCAP_CONST kSampleBorder = 1u;
VULCAP_CONST kSampleReflection = 2u;
struct GridSampleParams {
  uint batch, channels;
  uint in_size[3];
  uint out_size[3];
  uint axes;
  uint mode;
  uint padding;
  uint align;  // -1 and 1 are the centres of the corner elements, not their outer edges
};

// y[r, c, h, w] = the mean (or, with kRoiMax, the largest weighted corner) of bilinear samples in a cell of region r of
// x[batch[r], c]. samples: per cell and axis, 0 for as many as the cell is elements wide.
// bindings: x, regions [regions, 4] (left, top, right, bottom), batch (i64), y.
VULCAP_CONST kRoiMax = 1u;
VULCAP_CONST kRoiHalfPixel = 2u;
struct RoiAlignParams {
  uint regions, channels, in_h, in_w;
  uint out_h, out_w;
  uint samples;
  uint flags;
  uint batch;
  float scale;
};

// The opposite of patches: y[b, c, p] = sum over blocks o and kernel places k with p = o * stride + k * dilation - pad of
// x[b, (c, k), o]. Three spatial axes. bindings: x, y.
struct Col2imParams {
  uint batch, channels;
  uint image[3];
  uint kernel[3];
  uint blocks[3];
  uint stride[3];
  uint dilation[3];
  int pad[3];
};

// y[b] = determinant of a[b, n, n], which is overwritten. bindings: a, y.
struct DetParams {
  uint batch;
  uint n;
};

// Rotary position embedding of x[batch, heads, positions, width]: the first `rotary` elements of each row turn in pairs
// (d, d + rotary / 2), with kRotaryInterleaved (2d, 2d + 1), by the angle whose cosine and sine stand in row r of the tables:
//   r = row_offset + b * row_b + s * row_s + (kRotaryIds ? ids[b * ids_b + s * ids_s] : 0), kept within [0, rows)
// bindings: x, cos [rows, rotary / 2], sin, ids or x, y. Variant: dtype, dtype of ids.
VULCAP_CONST kRotaryInterleaved = 1u;
VULCAP_CONST kRotaryIds = 2u;
struct RotaryParams {
  uint n;
  uint heads, positions, width, rotary;
  uint flags;
  uint x_offset, x_b, x_h, x_s;
  uint y_b, y_h, y_s;
  uint ids_b, ids_s;
  uint row_b, row_s;
  int row_offset;
  uint rows;
};

// The cache y[batch, heads, y_len, width] behind an append: of batch entry b, positions [start, start + new_len) are x,
// those before are past and those behind are 0; start = kKvLengths ? lengths[b] - new_len : start.
// kKvInPlace: y is past, only the new positions are written. `count` positions are written for each of batch and heads.
// bindings: x, past or x, lengths (i32) or x, y. Variant by element size.
VULCAP_CONST kKvLengths = 1u;
VULCAP_CONST kKvInPlace = 2u;
struct KvUpdateParams {
  uint n;  // batch * heads * count * width
  uint heads, count, width;
  uint flags;
  uint start, new_len, past_len;
  uint x_offset, x_b, x_h, x_s;
  uint past_h;  // positions a head of past and of y has room for
  uint y_h;
};

// Linear attention: of each batch entry and key/value head a state S[key_width, value_width] runs over the positions t:
//   S *= exp(decay[t]) (kLinearDecay; one number a head, or with kLinearDecayByKey one a row of S)
//   u = v[t], with kLinearDelta beta[t] * (v[t] - k[t] S), kLinearBetaShared: one beta for all heads;  S += k[t] u
//   y[t, head] = scale * q[t, head] S, head / (heads / kv_heads) being the head of S
// q, k, v, decay, beta and y are [batch, position, heads * width]. kLinearPast: S begins as past, else as 0.
// bindings: q, k, v, decay or q, beta or q, past or q, y, S (behind the last position).
VULCAP_CONST kLinearDecay = 1u;
VULCAP_CONST kLinearDecayByKey = 2u;
VULCAP_CONST kLinearDelta = 4u;
VULCAP_CONST kLinearBetaShared = 8u;
VULCAP_CONST kLinearPast = 16u;
struct LinearAttentionParams {
  uint batch, positions, heads, kv_heads;
  uint key_width, value_width;
  uint flags;
  float scale;
};

#include "shaders/abi_quantised.h"

#ifdef __cplusplus
}  // namespace vulcap::abi
#undef VULCAP_CONST
#endif
#endif
