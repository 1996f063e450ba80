#include <array>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"

namespace vulcap::ops {
namespace rows {

double binary(uint32_t op, double a, double b) {
  switch (op) {
#define VULCAP_BINARY(index, name, real, integer) \
  case index:                                     \
    return real;
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
    default:
      return a;
  }
}

template <typename T>
Wrapping<T> binary(uint32_t op, Wrapping<T> a, Wrapping<T> b) {
  switch (op) {
#define VULCAP_BINARY(index, name, real, integer) \
  case index:                                     \
    return integer;
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
    default:
      return a;
  }
}

}  // namespace rows

namespace {

template <typename T>
int64_t whole(uint32_t op, int64_t a, int64_t b) {
  return int64_t(rows::binary(op, rows::Wrapping<T>{T(a)}, rows::Wrapping<T>{T(b)}).value);
}

void binary_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::BinaryParams>();
  const DType dtype = args.call.variant.storage;
  const auto [a, b, y] = std::array{args.buffers[0], args.buffers[1], args.buffers[2]};
  for (uint32_t i = 0; i < p.n; ++i) {
    const size_t ia = size_t(strided_index(i, p.shape, p.a_stride)),
                 ib = size_t(strided_index(i, p.shape, p.b_stride));
    if (core::dtype_is_float(dtype)) {
      store_real(dtype, y, i, rows::binary(p.op, load_real(dtype, a, ia), load_real(dtype, b, ib)));
    } else {
      const auto function = core::dtype_is_signed(dtype) ? whole<int64_t> : whole<uint64_t>;
      store_int(dtype, y, i, function(p.op, load_int(dtype, a, ia), load_int(dtype, b, ib)));
    }
  }
}

}  // namespace

void kernel_binary(KernelRegistry& registry) { registry.add<abi::BinaryParams>("binary", binary_reference); }

}  // namespace vulcap::ops
