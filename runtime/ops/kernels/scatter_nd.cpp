#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/indexed.h"

namespace vulcap::ops {
namespace {

template <typename T>
T combine(uint32_t op, T old, T update) {
  switch (op) {
    case abi::kScatterAdd:
      return T(old + update);
    case abi::kScatterMul:
      return T(old * update);
    case abi::kScatterMin:
      return update < old || update != update ? update : old;
    case abi::kScatterMax:
      return update > old || update != update ? update : old;
    default:
      return update;
  }
}

void scatter_element(DType dtype, uint32_t op, std::byte* x, size_t at, const std::byte* y, size_t i) {
  const size_t size = core::dtype_bytes(dtype, 1);
  if (op == abi::kScatterSet) {
    std::memcpy(x + at * size, y + i * size, size);
  } else if (core::dtype_is_float(dtype)) {
    store_real(dtype, x, at, combine(op, load_real(dtype, x, at), load_real(dtype, y, i)));
  } else if (op == abi::kScatterAdd || op == abi::kScatterMul || dtype == DType::kU64) {
    const auto old = uint64_t(load_int(dtype, x, at)), update = uint64_t(load_int(dtype, y, i));
    store_int(dtype, x, at, int64_t(combine(op, old, update)));
  } else {
    store_int(dtype, x, at, combine(op, load_int(dtype, x, at), load_int(dtype, y, i)));
  }
}

void scatter_nd_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::GatherNdParams>();
  const auto [dtype, index_dtype] = args.call.variant;
  for (uint32_t i = 0; i < indexed_items(p); ++i) {
    const size_t at = indexed_offset("ScatterND", p, index_dtype, args.buffers[1], i);
    scatter_element(dtype, p.op, args.buffers[0], at, args.buffers[2], i);
  }
}

}  // namespace

void kernel_scatter_nd(KernelRegistry& registry) {
  registry.add<abi::GatherNdParams>("scatter_nd", scatter_nd_reference);
}

}  // namespace vulcap::ops
