// What the matrix product shaders share: operands, flags and the epilogue. kFlags and kAct are MatmulParams'
// flags and act as constants.
#include "shaders/lib/math.glsl"

layout(constant_id = 0) const uint kFlags = 0;
layout(constant_id = 1) const uint kAct = 0;
layout(push_constant) uniform Push { MatmulParams p; };

#if defined(W_f16)
#define WEIGHT float16_t
#else
#define WEIGHT float
#endif
READONLY(0, STORE, a);
READONLY(1, WEIGHT, b);
READONLY(2, STORE, bias);
READONLY(3, STORE, residual);
BUFFER(4, STORE, c);

const bool kTransB = (kFlags & kMatmulTransB) != 0;
const bool kBias = (kFlags & kMatmulBias) != 0;
const bool kBiasPerRow = (kFlags & kMatmulBiasPerRow) != 0;
const bool kResidual = (kFlags & kMatmulResidual) != 0;

uint a_index(uint batch, uint m, uint k) { return p.a_offset + batch * p.a_batch + m * p.lda + k; }
uint b_index(uint batch, uint k, uint n) {
  return batch * p.b_batch + (kTransB ? n * p.ldb + k : k * p.ldb + n);
}

// C[batch, m, c_column + n] from the sum over k; m and n are inside the matrix.
void store_result(uint batch, uint m, uint n, float sum) {
  float value = p.alpha * sum;
  if (kBias) value += float(bias.data[kBiasPerRow ? m : p.c_column + n]);
  value = vc_activation(kAct, value);
  uint at = batch * p.c_batch + m * p.ldc + p.c_column + n;
  if (kResidual) value += float(residual.data[at]);
  c.data[at] = STORE(value);
}
