#include <cstring>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"

namespace vulcap::cpu {
namespace {

void run_kv_update(const CpuArgs& args) {
  const auto& p = args.call().params_as<abi::KvUpdateParams>();
  if (p.n == 0) return;
  const size_t bytes = core::dtype_bits(args.call().variant.storage) / 8, width = p.width * bytes;
  parallel_range(args.pool, p.n / p.width, width, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const size_t lane = row / p.count, b = lane / p.heads, head = lane % p.heads;
      const int64_t start =
          p.flags & abi::kKvLengths ? args.ptr<int32_t>(2)[b] - int64_t(p.new_len) : int64_t(p.start);
      const int64_t s = int64_t(row % p.count) + (p.flags & abi::kKvInPlace ? start : 0);
      if (s < 0 || s >= p.y_h) continue;
      std::byte* to = args.ptr<std::byte>(3) + (lane * p.y_h + size_t(s)) * width;
      if (s >= start && s < start + p.new_len) {
        const size_t from = p.x_offset + b * p.x_b + head * p.x_h + size_t(s - start) * p.x_s;
        std::memcpy(to, args.ptr<std::byte>(0) + from * bytes, width);
      } else if (s < start && s < p.past_len) {
        std::memcpy(to, args.ptr<std::byte>(1) + (lane * p.past_h + size_t(s)) * width, width);
      } else {
        std::memset(to, 0, width);
      }
    }
  });
}

}  // namespace

void cpu_kernel_kv_update(CpuRegistry& registry) {
  registry.add("kv_update", {run_kv_update, nullptr, nullptr});
}

}  // namespace vulcap::cpu
