#include "tests/kernels/builder.h"

#include <cmath>
#include <limits>

#include "runtime/ops/kernels/element.h"

namespace vulcap::testing {
namespace {

constexpr std::byte kPattern{0xcd};

uint64_t next_random(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double special_real(uint64_t choice) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kRows[] = {
      std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity, 0.0, -0.0, 3e38, -3e38, 1e-40};
  return kRows[choice % 8];
}

int64_t special_integer(core::DType dtype, uint64_t choice) {
  const bool wide = dtype == core::DType::kI64;
  const int64_t rows[] = {wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX, -1, 0, 1};
  return rows[choice % 5];
}

double default_tolerance(core::DType storage) {
  return storage == core::DType::kF16 ? 1e-3 : storage == core::DType::kBF16 ? 8e-3 : 1e-5;
}

}  // namespace

void set_element(core::DType dtype, Bytes& bytes, size_t i, double value) {
  ops::store_real(dtype, bytes.data(), i, value);
}

Builder::Builder(Row& row) {
  test_.call.kernel = ops::kernel_index(row.kernel());
  test_.call.variant.storage = row.dtype("storage", core::DType::kF32);
  test_.call.variant.second = row.dtype("second", core::DType::kUndefined);
  random_ = uint64_t(row.integer("seed", 1));
  low_ = row.real("low", -2);
  high_ = row.real("high", 2);
  fill_ = row.flag("special") ? Fill::kSpecial : Fill::kUniform;
  test_.special = fill_ == Fill::kSpecial;
  test_.tolerance = row.real("tolerance", default_tolerance(test_.call.variant.storage));
}

uint32_t Builder::input(core::DType dtype, size_t count, double low, double high) {
  Bytes bytes(core::dtype_bytes(dtype, count));
  for (size_t i = 0; i < count; ++i) {
    const uint64_t random = next_random(random_);
    const double value = low + (high - low) * double(random >> 11) * 0x1p-53;
    const bool special = fill_ == Fill::kSpecial && (random & 3) == 0;
    if (core::dtype_is_float(dtype)) {
      ops::store_real(dtype, bytes.data(), i, special ? special_real(random >> 2) : value);
    } else if (dtype == core::DType::kBool) {
      ops::store_int(dtype, bytes.data(), i, int64_t(random & 1));
    } else {
      ops::store_int(dtype, bytes.data(), i,
                     special ? special_integer(dtype, random >> 2) : int64_t(std::floor(value)));
    }
  }
  test_.inputs.push_back(std::move(bytes));
  bind(uint32_t(test_.inputs.size() - 1));
  return uint32_t(test_.inputs.size() - 1);
}

void Builder::bind(uint32_t index, bool written) {
  test_.call.bindings.push_back({ops::BufferKind::kExternal, index, 0, test_.inputs[index].size(), written});
}

uint32_t Builder::output(core::DType dtype, size_t count) {
  test_.written_as[test_.call.bindings.size()] = dtype;
  test_.inputs.emplace_back(core::dtype_bytes(dtype, count), kPattern);
  bind(uint32_t(test_.inputs.size() - 1), true);
  return uint32_t(test_.inputs.size() - 1);
}

void Builder::bind_state(uint32_t position) {
  test_.state[0] = position;
  test_.call.uses_state = true;
  test_.call.bindings.push_back({ops::BufferKind::kState, 0, 0, sizeof test_.state, false});
}

}  // namespace vulcap::testing
