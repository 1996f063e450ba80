// IEEE 754 binary16 and bfloat16 conversions, round to nearest even.
#pragma once

#include <bit>
#include <cstdint>

namespace vulcap::core {

inline float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  if (magnitude >= 0x0400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
  const float subnormal = float(magnitude) * 0x1p-24f;
  return sign ? -subnormal : subnormal;
}

inline uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = uint16_t((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return uint16_t(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    const float scaled = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<uint32_t>(scaled) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return uint16_t(sign | ((rounded - 0x38000000u) >> 13));
}

// Rounded towards zero with the last bit set where that is inexact: rounding the result again to a type at
// least two bits shorter equals rounding `value` once.
inline float double_to_odd_float(double value) {
  const float nearest = float(value);
  if (double(nearest) == value || value != value) return nearest;
  const uint32_t bits = std::bit_cast<uint32_t>(nearest);
  const bool away = (nearest < 0 ? -double(nearest) : double(nearest)) > (value < 0 ? -value : value);
  return std::bit_cast<float>((bits - (away ? 1 : 0)) | 1u);
}

inline uint16_t double_to_half(double value) { return float_to_half(double_to_odd_float(value)); }

inline float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

inline uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return uint16_t((bits >> 16) | 0x40u);
  return uint16_t((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline uint16_t double_to_bfloat16(double value) { return float_to_bfloat16(double_to_odd_float(value)); }

}  // namespace vulcap::core
