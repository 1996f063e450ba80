// The table of kernels. Each runtime/ops/kernels/<stem>.cpp defines `void kernel_<stem>(KernelRegistry&)`,
// which adds the kernel of that name with its scalar reference: the oracle, the documentation and the CPU
// path of last resort (rule R4).
#pragma once

#include <vector>

#include "runtime/ops/kernel_call.h"
#include "shaders/abi.h"

namespace vulcap::ops {

class KernelRegistry {
 public:
  template <typename Params>
  void add(std::string_view name, ReferenceFn reference) {
    static_assert(sizeof(Params) <= kMaxParamBytes);
    defs_.push_back({name, sizeof(Params), reference});
  }
  const std::vector<KernelDef>& defs() const { return defs_; }

 private:
  std::vector<KernelDef> defs_;
};

// Generated: calls every kernel_<stem>.
void register_all_kernels(KernelRegistry& registry);

}  // namespace vulcap::ops
