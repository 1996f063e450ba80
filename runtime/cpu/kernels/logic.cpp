#include "runtime/cpu/elements.h"

namespace vulcap::cpu {
namespace {

void run_logic(const CpuArgs& args) {
  switch (args.call().params_as<abi::BinaryParams>().op) {
#define VULCAP_LOGIC(index, name, expression) \
  case index:                                 \
    return map_elements<BoolElement, BoolElement>(args, [](bool a, bool b) { return expression; });
#include "shaders/elementwise.def"
#undef VULCAP_LOGIC
    default:
      return;
  }
}

}  // namespace

void cpu_kernel_logic(CpuRegistry& registry) { registry.add("logic", {run_logic, nullptr, nullptr}); }

}  // namespace vulcap::cpu
