#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

template <typename T>
bool compare(uint32_t op, T a, T b) {
  switch (op) {
#define VULCAP_COMPARE(index, name, expression) \
  case index:                                   \
    return expression;
#include "shaders/elementwise.def"
#undef VULCAP_COMPARE
    default:
      return false;
  }
}

bool compare(uint32_t op, DType dtype, const std::byte* a, size_t ia, const std::byte* b, size_t ib) {
  if (core::dtype_is_float(dtype)) return compare(op, load_real(dtype, a, ia), load_real(dtype, b, ib));
  const int64_t left = load_int(dtype, a, ia), right = load_int(dtype, b, ib);
  return dtype == DType::kU64 ? compare(op, uint64_t(left), uint64_t(right)) : compare(op, left, right);
}

void compare_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::BinaryParams>();
  const DType dtype = args.call.variant.storage;
  const auto [a, b, y] = std::array{args.buffers[0], args.buffers[1], args.buffers[2]};
  for (uint32_t i = 0; i < p.n; ++i) {
    const size_t ia = size_t(strided_index(i, p.shape, p.a_stride)),
                 ib = size_t(strided_index(i, p.shape, p.b_stride));
    store_as<uint8_t>(y, i, compare(p.op, dtype, a, ia, b, ib));
  }
}

}  // namespace

void kernel_compare(KernelRegistry& registry) {
  registry.add<abi::BinaryParams>("compare", compare_reference);
}

}  // namespace vulcap::ops
