#include "runtime/ops/kernel_registry.h"

#include <cassert>

namespace vulcap::ops {
namespace {

const std::vector<KernelDef>& table() {
  static const std::vector<KernelDef> defs = [] {
    KernelRegistry registry;
    register_all_kernels(registry);
    return registry.defs();
  }();
  return defs;
}

}  // namespace

std::span<const KernelDef> kernels() { return table(); }

uint16_t kernel_index(std::string_view name) {
  const auto& defs = table();
  for (size_t i = 0; i < defs.size(); ++i) {
    if (defs[i].name == name) return uint16_t(i);
  }
  assert(false && "unknown kernel");
  return UINT16_MAX;
}

}  // namespace vulcap::ops
