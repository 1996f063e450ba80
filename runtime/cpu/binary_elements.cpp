#include "runtime/cpu/binary_elements.h"

#include "runtime/cpu/elements.h"
#include "runtime/ops/kernels/element_math.h"

namespace vulcap::cpu {
namespace {

// The expressions of elementwise.def, in double.
template <typename Element>
void real_rows(const CpuArgs& args) {
  using namespace ops::rows;
  switch (args.call().params_as<abi::BinaryParams>().op) {
#define VULCAP_BINARY(index, name, real, integer) \
  case index:                                     \
    return map_elements<Element, Element>(        \
        args, [](double a, [[maybe_unused]] double b) -> double { return real; });
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
    default:
      return;
  }
}

// The same in 64-bit integers that wrap.
template <typename Element>
void integer_rows(const CpuArgs& args) {
  using namespace ops::rows;
  using Value = typename Element::Value;
  using Wide = std::conditional_t<std::is_signed_v<Value>, int64_t, uint64_t>;
  switch (args.call().params_as<abi::BinaryParams>().op) {
#define VULCAP_BINARY(index, name, real, integer)                             \
  case index:                                                                 \
    return map_elements<Element, Element>(args, [](Value left, Value right) { \
      const Wrapping<Wide> a{left}, b{right};                                 \
      return Value((integer).value);                                          \
    });
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
    default:
      return;
  }
}

}  // namespace

void run_binary_elements(const CpuArgs& args) {
  with_element(args.call().variant.storage, [&](auto element) {
    using Element = decltype(element);
    if constexpr (std::is_floating_point_v<typename Element::Value>) {
      real_rows<Element>(args);
    } else if constexpr (!std::is_same_v<Element, BoolElement>) {
      integer_rows<Element>(args);
    }
  });
}

bool accepts_binary_elements(const ops::KernelCall& call) {
  return has_element(call.variant.storage) && call.variant.storage != core::DType::kBool;
}

}  // namespace vulcap::cpu
