// Host tensors for tests: seeded content, comparison, and the CPU back end they run on.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "runtime/core/half.h"
#include "runtime/core/tensor.h"
#include "runtime/session/open_device.h"

namespace vulcap::test {

inline session::Device& cpu_device() {
  static const session::OpenedDevice opened = session::open_device({"cpu", 2, {}});
  return *opened.device;
}

// Uniform in [-1, 1).
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed * 2654435761u + 1) {}
  uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }
  float real() { return float(double(next() >> 8) / double(1 << 23) - 1); }
  int64_t below(int64_t bound) { return int64_t(next() >> 8) % bound; }

 private:
  uint32_t state_;
};

inline core::Tensor random_tensor(core::DType dtype, core::Shape shape, uint32_t seed) {
  core::Tensor tensor(dtype, std::move(shape));
  Random random(seed);
  for (size_t i = 0; i < tensor.size(); ++i) {
    switch (dtype) {
      case core::DType::kF32:
        tensor.mutable_as<float>()[i] = random.real();
        break;
      case core::DType::kF16:
        tensor.mutable_as<uint16_t>()[i] = core::float_to_half(float(random.real()));
        break;
      case core::DType::kI64:
        tensor.mutable_as<int64_t>()[i] = random.below(7);
        break;
      case core::DType::kBool:
        tensor.mutable_as<uint8_t>()[i] = uint8_t(random.below(2));
        break;
      case core::DType::kI8:
        tensor.mutable_as<int8_t>()[i] = int8_t(random.below(255) - 127);
        break;
      case core::DType::kU8:
        tensor.mutable_as<uint8_t>()[i] = uint8_t(random.below(256));
        break;
      default:
        ADD_FAILURE() << "no random values of " << core::dtype_name(dtype);
    }
  }
  return tensor;
}

struct Tolerance {
  double relative = 1e-4;
  double absolute = 1e-5;
};

inline bool close(double got, double want, const Tolerance& tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::abs(got - want) <= tolerance.absolute + tolerance.relative * std::abs(want);
}

// Floats within the tolerance, everything else exactly.
inline void expect_same(const core::Tensor& got, const core::Tensor& want, Tolerance tolerance,
                        const std::string& what) {
  ASSERT_EQ(core::dtype_name(got.dtype()), core::dtype_name(want.dtype())) << what;
  ASSERT_EQ(core::shape_text(got.shape()), core::shape_text(want.shape())) << what;
  if (!core::dtype_is_float(want.dtype())) {
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_EQ(got.at_i64(i), want.at_i64(i)) << what << ", element " << i;
    return;
  }
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_TRUE(close(got.at_f64(i), want.at_f64(i), tolerance))
        << what << ", element " << i << ": got " << got.at_f64(i) << ", want " << want.at_f64(i);
  }
}

}  // namespace vulcap::test
