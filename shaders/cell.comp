#version 460
#extension GL_GOOGLE_include_directive : require
// One invocation a unit of a batch item.
//! S = f32 f16
#include "shaders/abi.h"
#include "shaders/lib/flat.glsl"
#include "shaders/lib/math.glsl"
#include "shaders/lib/storage.glsl"

layout(constant_id = 0) const uint kKind = 0;
layout(constant_id = 1) const uint kFlags = 0;
layout(push_constant) uniform Push { CellParams p; };
READONLY(0, STORE, from_x);
READONLY(1, STORE, from_h);
BUFFER(2, STORE, third);
BUFFER(3, STORE, state);
BUFFER(4, STORE, cells);
READONLY(5, int, lengths);
BUFFER(6, STORE, target);

float cell_activation(uint act, float x, float alpha, float beta) {
  switch (act) {
    case kCellActTanh:
      return vc_tanh(x);
    case kCellActRelu:
      return max(x, 0.0);
    case kCellActAffine:
      return alpha * x + beta;
    case kCellActLeakyRelu:
      return x < 0.0 ? alpha * x : x;
    case kCellActThresholdedRelu:
      return x > alpha ? x : 0.0;
    case kCellActScaledTanh:
      return alpha * vc_tanh(beta * x);
    case kCellActHardSigmoid:
      return clamp(alpha * x + beta, 0.0, 1.0);
    case kCellActElu:
      return x < 0.0 ? alpha * (exp(x) - 1.0) : x;
    case kCellActSoftsign:
      return x / (1.0 + abs(x));
    case kCellActSoftplus:
      return vc_softplus(x);
    default:
      return 1.0 / (1.0 + exp(-x));
  }
}

const uint kGates = kKind == kCellLstm ? 4 : kKind == kCellRnn ? 1 : 3;
uint x_begin, h_begin, unit;

float x_part(uint g) { return float(from_x.data[x_begin + g * p.hidden]); }
float h_part(uint g) { return float(from_h.data[h_begin + g * p.hidden]); }
float sum(uint g) { return x_part(g) + h_part(g); }
float peephole(uint g) {
  return (kFlags & kCellPeepholes) != 0 ? float(third.data[g * p.hidden + unit]) : 0.0;
}

float gate(uint act, float x) {
  if ((kFlags & kCellClip) != 0) x = clamp(x, -p.clip, p.clip);
  return cell_activation(p.acts[act], x, p.alpha[act], p.beta[act]);
}

float lstm(uint item) {
  float c = float(cells.data[item]);
  float i = gate(0, sum(0) + peephole(0) * c);
  float f = (kFlags & kCellCoupled) != 0 ? 1.0 - i : gate(0, sum(2) + peephole(2) * c);
  float next = f * c + i * gate(1, sum(3));
  float o = gate(0, sum(1) + peephole(1) * next);
  cells.data[item] = STORE(next);
  return o * cell_activation(p.acts[2], next, p.alpha[2], p.beta[2]);
}

float gru(uint item) {
  float z = gate(0, sum(0));
  float x = (kFlags & kCellLinear) != 0 ? x_part(2) + gate(0, sum(1)) * h_part(2)
                                        : x_part(2) + float(third.data[item]);
  return (1.0 - z) * gate(1, x) + z * float(state.data[item]);
}

void main() {
  uint item = flat_index(), b = item / p.hidden;
  if (b >= p.batch) return;
  unit = item - b * p.hidden;
  uint size = (kFlags & kCellLengths) != 0 ? uint(lengths.data[b]) : p.steps;
  uint at = p.y_offset + b * p.y_b + unit;
  if (p.step >= size) {
    if (kKind != kCellReset && (kFlags & kCellY) != 0) target.data[at + p.step * p.y_t] = STORE(0.0);
    return;
  }
  uint position = (kFlags & kCellReverse) != 0 ? size - 1 - p.step : p.step;
  x_begin = position * p.gx_t + b * p.gx_b + unit;
  h_begin = b * kGates * p.hidden + unit;
  if (kKind == kCellReset) {
    third.data[item] = STORE(gate(0, sum(1)) * float(state.data[item]));
    return;
  }
  float h = kKind == kCellLstm ? lstm(item) : kKind == kCellGru ? gru(item) : gate(0, sum(0));
  state.data[item] = STORE(h);
  if ((kFlags & kCellY) != 0) target.data[at + position * p.y_t] = STORE(h);
}
