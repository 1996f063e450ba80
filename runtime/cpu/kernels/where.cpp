#include <cstdint>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/strided_loop.h"

namespace vulcap::cpu {
namespace {

template <typename T>
void where_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::WhereParams>();
  if (p.n == 0) return;
  StridedLoop<3> loop;
  for (size_t axis = 0; axis < 6; ++axis) {
    loop.add_axis(p.shape[axis], {p.c_stride[axis], p.a_stride[axis], p.b_stride[axis]});
  }
  const auto step = loop.stride();
  const size_t length = loop.size();
  parallel_range(args.pool, loop.rows(), length * 3 * sizeof(T), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const auto offset = loop.offsets(row);
      const uint8_t* c = args.ptr<uint8_t>(0) + offset[0];
      const T *a = args.ptr<T>(1) + offset[1], *b = args.ptr<T>(2) + offset[2];
      T* y = args.ptr<T>(3) + row * length;
      for (size_t i = 0; i < length; ++i)
        y[i] = c[i * size_t(step[0])] ? a[i * size_t(step[1])] : b[i * size_t(step[2])];
    }
  });
}

void run_where(const CpuArgs& args) {
  switch (core::dtype_bytes(args.call().variant.storage, 1)) {
    case 1:
      return where_values<uint8_t>(args);
    case 2:
      return where_values<uint16_t>(args);
    case 4:
      return where_values<uint32_t>(args);
    default:
      return where_values<uint64_t>(args);
  }
}

}  // namespace

void cpu_kernel_where(CpuRegistry& registry) { registry.add("where", {run_where, has_whole_bytes, nullptr}); }

}  // namespace vulcap::cpu
