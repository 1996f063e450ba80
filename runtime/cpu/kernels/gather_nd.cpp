#include <algorithm>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/indexed_loop.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

void run_gather_nd(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::GatherNdParams>();
  IndexedLoop loop(p);
  if (loop.items() == 0) return;
  with_element_and_index(args.call().variant, [&]<typename T, typename Index>() {
    const auto* x = args.ptr<T>(0);
    auto* y = args.ptr<T>(2);
    const auto copy = [&](size_t item, size_t at, size_t count) {
      if (count == 1) {
        y[item] = x[at];
      } else {
        std::copy_n(x + at, count, y + item);
      }
    };
    parallel_range(args.pool, loop.rows(), loop.length() * (2 * sizeof(T) + sizeof(Index)),
                   [&](size_t begin, size_t end) {
                     for (size_t row = begin; row < end; ++row) {
                       if (loop.by_single_index()) {
                         loop.gather_row(row, args.ptr<Index>(1), x, y);
                       } else {
                         loop.visit_row(row, args.ptr<Index>(1), copy);
                       }
                     }
                   });
  });
  loop.check("GatherND");
}

}  // namespace

void cpu_kernel_gather_nd(CpuRegistry& registry) {
  registry.add("gather_nd", {run_gather_nd, nullptr, nullptr});
}

}  // namespace vulcap::cpu
