#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/kernels/element_math.h"

namespace vulcap::ops {
namespace rows {

double unary(const abi::UnaryParams& p, double x) {
  switch (p.op) {
#define VULCAP_UNARY(index, name, expression) \
  case index:                                 \
    return expression;
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
    default:
      return x;
  }
}

}  // namespace rows

namespace {

void unary_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::UnaryParams>();
  const DType dtype = args.call.variant.storage;
  for (size_t i = 0; i < p.n; ++i) {
    store_real(dtype, args.buffers[1], i, rows::unary(p, load_real(dtype, args.buffers[0], i)));
  }
}

}  // namespace

void kernel_unary(KernelRegistry& registry) { registry.add<abi::UnaryParams>("unary", unary_reference); }

}  // namespace vulcap::ops
