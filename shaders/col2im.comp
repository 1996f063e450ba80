#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32 f16
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { Col2imParams p; };
READONLY(0, STORE, source);
BUFFER(1, STORE, target);

void main() {
  uint i = flat_index();
  uint image = p.image[0] * p.image[1] * p.image[2];
  if (i >= p.batch * p.channels * image) return;
  uint kernel = p.kernel[0] * p.kernel[1] * p.kernel[2];
  uint place[3] = {i % image / p.image[2] / p.image[1], i / p.image[2] % p.image[1], i % p.image[2]};
  float sum = 0.0;
  for (uint k = 0; k < kernel; ++k) {
    uint at[3] = {k / p.kernel[2] / p.kernel[1], k / p.kernel[2] % p.kernel[1], k % p.kernel[2]};
    uint from = i / image * kernel + k;
    bool inside = true;
    [[unroll]] for (uint axis = 0; axis < 3; ++axis) {
      int start = int(place[axis]) + p.pad[axis] - int(at[axis] * p.dilation[axis]);
      uint block = uint(max(start, 0)) / p.stride[axis];
      inside = inside && start >= 0 && block * p.stride[axis] == uint(start) && block < p.blocks[axis];
      from = from * p.blocks[axis] + (inside ? block : 0);
    }
    if (inside) sum += float(source.data[from]);
  }
  target.data[i] = STORE(sum);
}
