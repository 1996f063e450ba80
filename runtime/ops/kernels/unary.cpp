#include <algorithm>
#include <array>
#include <iterator>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"

namespace vulcap::ops {
namespace rows {

double unary(const abi::UnaryParams& p, double x) {
  switch (p.op) {
#define VULCAP_UNARY(index, name, expression) \
  case index:                                 \
    return expression;
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
    default:
      return x;
  }
}

template <typename T>
Wrapping<T> unary(uint32_t op, Wrapping<T> x) {
  switch (op) {
#define VULCAP_INTEGER(index, name, expression) \
  case index:                                   \
    return expression;
#include "shaders/elementwise.def"
#undef VULCAP_INTEGER
    default:
      return x;
  }
}

bool has_integer_form(uint32_t op) {
  constexpr uint32_t kRows[] = {
#define VULCAP_INTEGER(index, name, expression) index,
#include "shaders/elementwise.def"
#undef VULCAP_INTEGER
  };
  return std::find(std::begin(kRows), std::end(kRows), op) != std::end(kRows);
}

}  // namespace rows

namespace {

void unary_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::UnaryParams>();
  const DType dtype = args.call.variant.storage;
  const auto [x, y] = std::array{args.buffers[0], args.buffers[1]};
  const bool integer = core::dtype_is_integer(dtype) && rows::has_integer_form(p.op);
  for (size_t i = 0; i < p.n; ++i) {
    if (!integer) {
      store_real(dtype, y, i, rows::unary(p, load_real(dtype, x, i)));
    } else if (core::dtype_is_signed(dtype)) {
      store_int(dtype, y, i, rows::unary(p.op, rows::Wrapping<int64_t>{load_int(dtype, x, i)}).value);
    } else {
      const rows::Wrapping<uint64_t> value{uint64_t(load_int(dtype, x, i))};
      store_int(dtype, y, i, int64_t(rows::unary(p.op, value).value));
    }
  }
}

}  // namespace

void kernel_unary(KernelRegistry& registry) { registry.add<abi::UnaryParams>("unary", unary_reference); }

}  // namespace vulcap::ops
