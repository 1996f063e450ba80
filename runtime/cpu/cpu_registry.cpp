#include "runtime/cpu/cpu_registry.h"

namespace vulcap::cpu {

const CpuKernel* CpuRegistry::find(const ops::KernelCall& call) const {
  const std::string_view name = ops::kernels()[call.kernel].name;
  for (const Entry& entry : entries_) {
    if (entry.kernel == name && (entry.fast.accepts == nullptr || entry.fast.accepts(call)))
      return &entry.fast;
  }
  return nullptr;
}

const CpuRegistry& cpu_kernels() {
  static const CpuRegistry registry = [] {
    CpuRegistry all;
    register_all_cpu_kernels(all);
    return all;
  }();
  return registry;
}

}  // namespace vulcap::cpu
