#include <algorithm>

#include "runtime/core/half.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

float real(float x) { return x; }
float real(uint16_t x) { return core::half_to_float(x); }
void put(float& to, float x) { to = x; }
void put(uint16_t& to, float x) { to = core::float_to_half(x); }

// T: f32, or f16 as its bits.
template <typename T>
class Rotary {
 public:
  explicit Rotary(const CpuArgs& args) : args_(args), p_(args.call().params_as<abi::RotaryParams>()) {}

  void run() const {
    if (p_.n == 0) return;
    parallel_range(args_.pool, p_.n / p_.width, p_.width * sizeof(T), [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row)
        turn_row(row / p_.heads / p_.positions, row / p_.heads % p_.positions, row % p_.heads);
    });
  }

 private:
  size_t table_row(size_t b, size_t s) const {
    int64_t row = p_.row_offset + int64_t(b * p_.row_b + s * p_.row_s);
    if (p_.flags & abi::kRotaryIds) {
      const size_t at = b * p_.ids_b + s * p_.ids_s;
      row += args_.call().variant.second == core::DType::kI64 ? args_.ptr<int64_t>(3)[at]
                                                              : args_.ptr<int32_t>(3)[at];
    }
    return size_t(std::clamp<int64_t>(row, 0, int64_t(p_.rows) - 1));
  }

  void turn_row(size_t b, size_t s, size_t h) const {
    const T* x = args_.ptr<T>(0) + p_.x_offset + b * p_.x_b + h * p_.x_h + s * p_.x_s;
    T* y = args_.ptr<T>(4) + b * p_.y_b + h * p_.y_h + s * p_.y_s;
    const size_t half = p_.rotary / 2, row = table_row(b, s) * half;
    const T* cosine = args_.ptr<T>(1) + row;
    const T* sine = args_.ptr<T>(2) + row;
    const bool interleaved = (p_.flags & abi::kRotaryInterleaved) != 0;
    const size_t step = interleaved ? 2 : 1, hop = interleaved ? 1 : half;
    for (size_t i = 0; i < half; ++i) {
      const size_t at = i * step;
      const float first = real(x[at]), second = real(x[at + hop]), c = real(cosine[i]), d = real(sine[i]);
      put(y[at], first * c - second * d);
      put(y[at + hop], second * c + first * d);
    }
    std::copy(x + p_.rotary, x + p_.width, y + p_.rotary);
  }

  const CpuArgs& args_;
  const abi::RotaryParams& p_;
};

void run_rotary(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return Rotary<uint16_t>(args).run();
  Rotary<float>(args).run();
}

bool accepts_rotary(const ops::KernelCall& call) {
  const auto [storage, ids] = call.variant;
  const bool known_ids =
      ids == core::DType::kUndefined || ids == core::DType::kI64 || ids == core::DType::kI32;
  return known_ids && (storage == core::DType::kF32 || storage == core::DType::kF16);
}

}  // namespace

void cpu_kernel_rotary(CpuRegistry& registry) {
  registry.add("rotary", {run_rotary, accepts_rotary, nullptr});
}

}  // namespace vulcap::cpu
