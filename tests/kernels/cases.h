// Kernel test cases as rows of text: one row drives the scalar reference, the fast CPU kernels and the
// shaders.
//
//   matmul m=197 n=13 k=31 act=gelu bias residual transb storage={f32;f16} second=f16 seed=7
//
// The first word is the kernel, `name=value` sets a parameter, a lone word a flag. A value {a;b} makes one
// case of each; several of them make the product. case_builders.cpp lists what each kernel understands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ops/kernel_call.h"

namespace vulcap::testing {

using Bytes = std::vector<std::byte>;

struct KernelCase {
  std::string name;  // the row
  // Every binding is kExternal and its `index` counts in `inputs`; operands that share a buffer (in place,
  // absent) share an index. With call.uses_state the last binding is kState.
  ops::KernelCall call;
  std::vector<Bytes> inputs;  // what each buffer holds before the run; outputs hold a pattern
  // dtype of each written binding that is not the call's own.
  std::array<core::DType, ops::kMaxBindings> written_as{};
  std::array<uint32_t, 4> state{};
  double tolerance =
      0;  // largest difference as a fraction of the output's largest finite magnitude; 0: equal bits
  bool special = false;                                  // NaN, infinity or integer overflow take part
  ops::WeightLayout weight = ops::WeightLayout::kPlain;  // matmul: the layout of B, when it may be packed
};

// Parses one row without {..}. Throws std::runtime_error on an unknown kernel or parameter.
KernelCase make_case(std::string_view row);
// All rows of the table.
std::vector<KernelCase> kernel_cases();
// Buffers after the scalar reference has run.
std::vector<Bytes> expected(const KernelCase& test);
// "" when every written buffer of `got` equals `want` within the tolerance, else the first difference.
std::string compare(const KernelCase& test, const std::vector<Bytes>& got, const std::vector<Bytes>& want);

}  // namespace vulcap::testing
