#version 460
#extension GL_GOOGLE_include_directive : require
//! S = f32
#include "shaders/lib/storage.glsl"
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"

layout(push_constant) uniform Push { DetParams p; };
BUFFER(0, STORE, a);
BUFFER(1, STORE, target);

// Elimination with the largest element of each column as its pivot.
float determinant(uint begin) {
  float result = 1.0;
  for (uint column = 0; column < p.n; ++column) {
    uint pivot = column;
    for (uint row = column; row < p.n; ++row) {
      if (abs(float(a.data[begin + row * p.n + column])) > abs(float(a.data[begin + pivot * p.n + column])))
        pivot = row;
    }
    uint from = begin + pivot * p.n, to = begin + column * p.n;
    float top = float(a.data[from + column]);
    if (top == 0.0) return 0.0;
    result *= pivot == column ? top : -top;
    for (uint k = column; k < p.n; ++k) {
      STORE value = a.data[from + k];
      a.data[from + k] = a.data[to + k];
      a.data[to + k] = value;
    }
    for (uint row = column + 1; row < p.n; ++row) {
      uint at = begin + row * p.n;
      float factor = float(a.data[at + column]) / top;
      for (uint k = column; k < p.n; ++k)
        a.data[at + k] = STORE(float(a.data[at + k]) - factor * float(a.data[to + k]));
    }
  }
  return result;
}

void main() {
  uint i = flat_index();
  if (i < p.batch) target.data[i] = STORE(determinant(i * p.n * p.n));
}
