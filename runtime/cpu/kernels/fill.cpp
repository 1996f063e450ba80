#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

template <typename T>
void fill_values(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::FillParams>();
  const auto value = T(uint64_t(p.value_high) << 32 | p.value_low);
  T* y = args.ptr<T>(0);
  parallel_range(args.pool, p.n, sizeof(T),
                 [&](size_t begin, size_t end) { std::fill(y + begin, y + end, value); });
}

void run_fill(const CpuArgs& args) {
  switch (core::dtype_bits(args.call().variant.storage)) {
    case 8:
      return fill_values<uint8_t>(args);
    case 16:
      return fill_values<uint16_t>(args);
    case 32:
      return fill_values<uint32_t>(args);
    default:
      return fill_values<uint64_t>(args);
  }
}

bool accepts_fill(const ops::KernelCall& call) { return core::dtype_bits(call.variant.storage) >= 8; }

}  // namespace

void cpu_kernel_fill(CpuRegistry& registry) { registry.add("fill", {run_fill, accepts_fill, nullptr}); }

}  // namespace vulcap::cpu
