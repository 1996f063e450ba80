#include "runtime/cpu/elements.h"

namespace vulcap::cpu {
namespace {

template <typename Element>
void compare_elements(const CpuArgs& args) {
  using Value = typename Element::Value;
  switch (args.call().params_as<abi::BinaryParams>().op) {
#define VULCAP_COMPARE(index, name, expression) \
  case index:                                   \
    return map_elements<Element, BoolElement>(args, [](Value a, Value b) { return expression; });
#include "shaders/elementwise.def"
#undef VULCAP_COMPARE
    default:
      return;
  }
}

void run_compare(const CpuArgs& args) {
  with_element(args.call().variant.storage, [&](auto element) { compare_elements<decltype(element)>(args); });
}

bool accepts_compare(const ops::KernelCall& call) { return has_element(call.variant.storage); }

}  // namespace

void cpu_kernel_compare(CpuRegistry& registry) {
  registry.add("compare", {run_compare, accepts_compare, nullptr});
}

}  // namespace vulcap::cpu
