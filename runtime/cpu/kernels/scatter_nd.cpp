#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/indexed_loop.h"

namespace vulcap::cpu {
namespace {

// In order on one thread: the last of several items for one element stays.
void run_scatter_nd(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::GatherNdParams>();
  IndexedLoop loop(p);
  if (loop.items() == 0) return;
  with_element_and_index(args.call().variant, [&]<typename T, typename Index>() {
    auto* x = args.ptr<T>(0);
    const auto* y = args.ptr<T>(2);
    for (size_t row = 0; row < loop.rows(); ++row) {
      loop.visit_row(row, args.ptr<Index>(1),
                     [&](size_t item, size_t at, size_t count) { std::copy_n(y + item, count, x + at); });
    }
  });
  loop.check("ScatterND");
}

bool accepts_scatter_nd(const ops::KernelCall& call) {
  return call.params_as<abi::GatherNdParams>().op == abi::kScatterSet;
}

}  // namespace

void cpu_kernel_scatter_nd(CpuRegistry& registry) {
  registry.add("scatter_nd", {run_scatter_nd, accepts_scatter_nd, nullptr});
}

}  // namespace vulcap::cpu
