#include "tests/kernels/cases.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "runtime/ops/kernels/element.h"
#include "tests/kernels/builder.h"
#include "tests/kernels/row.h"

namespace vulcap::testing {
namespace {

// The dtype that a kernel writes.
core::DType output_dtype(const ops::KernelCall& call) {
  const std::string_view kernel = ops::kernels()[call.kernel].name;
  if (kernel == "quantize" || kernel == "dequantize") return call.variant.second;
  if (kernel == "matmul_integer") {
    const bool scaled = (call.params_as<abi::MatmulIntegerParams>().flags & abi::kIntegerScale) != 0;
    return scaled ? core::DType::kF32 : core::DType::kI32;
  }
  if (kernel == "compare" || kernel == "logic") return core::DType::kBool;
  return kernel == "cast" ? call.variant.second : call.variant.storage;
}

bool same(double got, double want, double allowed) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::abs(got - want) <= allowed;
}

// Magnitudes from here on count by themselves, not as the output's range.
constexpr double kHuge = 1e30;

// The largest magnitude among the elements that the kernel wrote.
double written_range(core::DType dtype, const Bytes& before, const Bytes& after) {
  const size_t size = core::dtype_bytes(dtype, 1);
  double range = 1e-6;
  for (size_t i = 0; i < after.size() / size; ++i) {
    const double value = std::abs(ops::load_real(dtype, after.data(), i));
    const bool written = !std::equal(&after[i * size], &after[i * size] + size, &before[i * size]);
    if (written && value < kHuge) range = std::max(range, value);
  }
  return range;
}

std::string compare_reals(core::DType dtype, const Bytes& got, const Bytes& want, double range,
                          double tolerance) {
  const size_t count = want.size() / core::dtype_bytes(dtype, 1);
  for (size_t i = 0; i < count; ++i) {
    const double g = ops::load_real(dtype, got.data(), i), w = ops::load_real(dtype, want.data(), i);
    const double allowed = tolerance * std::max(range, std::isfinite(w) ? std::abs(w) : 0.0);
    if (same(g, w, allowed)) continue;
    std::ostringstream text;
    text << "element " << i << " of " << count << ": got " << g << ", want " << w << ", allowed " << allowed;
    return text.str();
  }
  return "";
}

// Equal bits, but for the payload of a NaN, which IEEE 754 leaves open.
std::string compare_bits(core::DType dtype, const Bytes& got, const Bytes& want) {
  const size_t size = std::max<size_t>(core::dtype_bytes(dtype, 1), 1);
  for (size_t at = 0; at < want.size(); ++at) {
    if (got[at] == want[at]) continue;
    const bool real = core::dtype_is_float(dtype) && core::dtype_bits(dtype) >= 8;
    const size_t i = at / size;
    if (real && std::isnan(ops::load_real(dtype, got.data(), i)) &&
        std::isnan(ops::load_real(dtype, want.data(), i)))
      continue;
    return "byte " + std::to_string(at) + " of " + std::to_string(got.size()) + " differs";
  }
  return "";
}

}  // namespace

KernelCase make_case(std::string_view text) {
  Row row(text);
  Builder builder(row);
  build_case(row.kernel(), row, builder);
  row.check_all_used();
  builder.test().name = text;
  return std::move(builder.test());
}

std::vector<Bytes> expected(const KernelCase& test) {
  std::vector<Bytes> buffers = test.inputs;
  std::vector<std::byte*> pointers;
  auto state = test.state;
  for (const auto& binding : test.call.bindings) {
    pointers.push_back(binding.kind == ops::BufferKind::kState ? reinterpret_cast<std::byte*>(state.data())
                                                               : buffers[binding.index].data());
  }
  ops::kernels()[test.call.kernel].reference({test.call, pointers, state.data()});
  return buffers;
}

std::string compare(const KernelCase& test, const std::vector<Bytes>& got, const std::vector<Bytes>& want) {
  for (size_t i = 0; i < test.call.bindings.size(); ++i) {
    const auto& binding = test.call.bindings[i];
    if (!binding.written) continue;
    const core::DType own = test.written_as[i];
    const core::DType dtype = own == core::DType::kUndefined ? output_dtype(test.call) : own;
    const Bytes &g = got[binding.index], &w = want[binding.index];
    std::string difference;
    if (g.size() != w.size()) {
      difference = "sizes differ";
    } else if (test.tolerance > 0 && core::dtype_is_float(dtype)) {
      difference =
          compare_reals(dtype, g, w, written_range(dtype, test.inputs[binding.index], w), test.tolerance);
    } else {
      difference = compare_bits(dtype, g, w);
    }
    if (!difference.empty())
      return test.name + ": buffer " + std::to_string(binding.index) + ": " + difference;
  }
  return "";
}

}  // namespace vulcap::testing
