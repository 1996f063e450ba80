#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

bool logic(uint32_t op, bool a, bool b) {
  switch (op) {
#define VULCAP_LOGIC(index, name, expression) \
  case index:                                 \
    return expression;
#include "shaders/elementwise.def"
#undef VULCAP_LOGIC
    default:
      return false;
  }
}

void logic_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::BinaryParams>();
  for (uint32_t i = 0; i < p.n; ++i) {
    const bool a =
        load_int(DType::kBool, args.buffers[0], size_t(strided_index(i, p.shape, p.a_stride))) != 0;
    const bool b =
        load_int(DType::kBool, args.buffers[1], size_t(strided_index(i, p.shape, p.b_stride))) != 0;
    store_as<uint8_t>(args.buffers[2], i, logic(p.op, a, b));
  }
}

}  // namespace

void kernel_logic(KernelRegistry& registry) { registry.add<abi::BinaryParams>("logic", logic_reference); }

}  // namespace vulcap::ops
