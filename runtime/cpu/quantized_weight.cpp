#include "runtime/cpu/quantized_weight.h"

#include <algorithm>

#include "runtime/core/half.h"
#include "runtime/ops/kernels/weight_tables.h"

namespace vulcap::cpu {

QuantizedWeight::QuantizedWeight(const ops::KernelArgs& args, const PackedMatrix* packed)
    : args_(args), p_(args.call.params_as<abi::MatmulQuantizedParams>()), packed_(packed) {}

float QuantizedWeight::scale_at(size_t index) const {
  return core::DType(p_.scale_type) == core::DType::kF32 ? args_.ptr<float>(2)[index]
                                                         : core::half_to_float(args_.ptr<uint16_t>(2)[index]);
}

float QuantizedWeight::scale(size_t k, size_t n) const {
  return scale_at(p_.flags & abi::kWeightFlatBlocks ? (n * p_.k + k) / p_.block
                                                    : k / p_.block * p_.s_k + n * p_.s_n);
}

uint32_t QuantizedWeight::number(const std::byte* base, size_t index) const {
  const size_t bit = index * p_.bits, within = bit % 8;
  const size_t shift = p_.flags & abi::kWeightHighFirst ? 8 - p_.bits - within : within;
  return (uint32_t(uint8_t(base[bit / 8])) >> shift) & ((1u << p_.bits) - 1);
}

float QuantizedWeight::signed_number(uint32_t raw) const {
  const bool negative = (p_.flags & abi::kWeightSigned) != 0 && (raw >> (p_.bits - 1)) != 0;
  return float(raw) - (negative ? float(1u << p_.bits) : 0.0f);
}

float QuantizedWeight::zero(size_t k, size_t n) const {
  const size_t at = k / p_.block * p_.z_k + n * p_.z_n;
  if (p_.flags & abi::kWeightZero) return signed_number(number(args_.buffers[3], at));
  if ((p_.flags & abi::kWeightZeroReal) == 0) return p_.zero;
  return core::DType(p_.scale_type) == core::DType::kF32 ? args_.ptr<float>(3)[at]
                                                         : core::half_to_float(args_.ptr<uint16_t>(3)[at]);
}

void QuantizedWeight::values(size_t k, size_t n, float* table) const {
  const float* known = p_.flags & abi::kWeightNf4   ? ops::kNf4Values
                       : p_.flags & abi::kWeightFp4 ? ops::kFp4Values
                                                    : nullptr;
  const float origin = known == nullptr ? zero(k, n) : 0;
  for (uint32_t raw = 0; raw < 1u << p_.bits; ++raw)
    table[raw] = known != nullptr ? known[raw] : signed_number(raw) - origin;
}

// Numbers of four bits that lie along k: a table of scaled values a block.
void QuantizedWeight::dequantise_rows(size_t column, size_t width, float* to) const {
  const size_t low = p_.flags & abi::kWeightHighFirst ? 1 : 0;  // the element that the low bits hold
  for (size_t begin = 0; begin < p_.k; begin += p_.block) {
    const size_t end = std::min<size_t>(p_.k, begin + p_.block);
    for (size_t i = 0; i < width; ++i) {
      float table[16];
      values(begin, column + i, table);
      const float factor = scale(begin, column + i);
      for (float& value : table) value *= factor;
      const std::byte* from = args_.buffers[1] + (column + i) * p_.b_n / 2;
      for (size_t k = begin; k < end; ++k)
        to[k * kPanelWidth + i] = table[(uint8_t(from[k / 2]) >> (k % 2 == low ? 0 : 4)) & 15];
    }
  }
}

void QuantizedWeight::dequantise_any(size_t panel, size_t width, float* to) const {
  const size_t column = panel * kPanelWidth;
  const auto* bytes = packed_ != nullptr ? reinterpret_cast<const int8_t*>(packed_->panel(panel)) : nullptr;
  const float shift = packed_ != nullptr && packed_->dtype == core::DType::kU8 ? 128.0f : 0.0f;
  for (size_t k = 0; k < p_.k; ++k) {
    for (size_t i = 0; i < width; ++i) {
      const size_t n = column + i;
      float value = 0;
      if (bytes != nullptr) {
        value = float(bytes[k * kPanelWidth + i]) + shift - zero(k, n);
      } else if (p_.flags & (abi::kWeightNf4 | abi::kWeightFp4)) {
        const float* table = p_.flags & abi::kWeightNf4 ? ops::kNf4Values : ops::kFp4Values;
        value = table[number(args_.buffers[1], k * p_.b_k + n * p_.b_n)];
      } else {
        value = signed_number(number(args_.buffers[1], k * p_.b_k + n * p_.b_n)) - zero(k, n);
      }
      to[k * kPanelWidth + i] = value * scale(k, n);
    }
  }
}

void QuantizedWeight::dequantise(size_t panel, float* to) const {
  const size_t column = panel * kPanelWidth, width = std::min(kPanelWidth, p_.n - column);
  const bool rows =
      p_.bits == 4 && p_.b_k == 1 && p_.b_n % 2 == 0 && (p_.flags & abi::kWeightFlatBlocks) == 0;
  if (rows && p_.block > 1) return dequantise_rows(column, width, to);
  dequantise_any(panel, width, to);
}

}  // namespace vulcap::cpu
