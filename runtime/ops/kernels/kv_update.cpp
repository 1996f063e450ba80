#include <cstring>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void kv_update_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::KvUpdateParams>();
  const size_t bytes = core::dtype_bits(args.call.variant.storage) / 8;
  for (size_t i = 0; i < p.n; ++i) {
    const size_t d = i % p.width, row = i / p.width, head = row / p.count % p.heads,
                 b = row / p.count / p.heads;
    int64_t start = p.start;
    if (p.flags & abi::kKvLengths) start = load_as<int32_t>(args.buffers[2], b) - int64_t(p.new_len);
    const int64_t s = int64_t(row % p.count) + (p.flags & abi::kKvInPlace ? start : 0);
    if (s < 0 || s >= p.y_h) continue;
    std::byte* to = args.buffers[3] + (((b * p.heads + head) * p.y_h + size_t(s)) * p.width + d) * bytes;
    if (s >= start && s < start + p.new_len) {
      const size_t from = p.x_offset + b * p.x_b + head * p.x_h + size_t(s - start) * p.x_s + d;
      std::memcpy(to, args.buffers[0] + from * bytes, bytes);
    } else if (s < start && s < p.past_len) {
      const size_t from = ((b * p.heads + head) * p.past_h + size_t(s)) * p.width + d;
      std::memcpy(to, args.buffers[1] + from * bytes, bytes);
    } else {
      std::memset(to, 0, bytes);
    }
  }
}

}  // namespace

void kernel_kv_update(KernelRegistry& registry) {
  registry.add<abi::KvUpdateParams>("kv_update", kv_update_reference);
}

}  // namespace vulcap::ops
