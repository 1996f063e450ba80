#include <algorithm>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

double start_value(uint32_t op) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return op == abi::kReduceMax    ? -kInfinity
         : op == abi::kReduceMin  ? kInfinity
         : op == abi::kReduceProd ? 1.0
                                  : 0.0;
}

double combine(uint32_t op, double sum, double x, double largest) {
  switch (op) {
    case abi::kReduceMax:
      return std::isnan(sum) || sum > x ? sum : x;
    case abi::kReduceMin:
      return std::isnan(sum) || sum < x ? sum : x;
    case abi::kReduceProd:
      return sum * x;
    case abi::kReduceL1:
      return sum + std::abs(x);
    case abi::kReduceL2:
    case abi::kReduceSumSquare:
      return sum + x * x;
    case abi::kReduceLogSumExp:
      return sum + std::exp(x - largest);
    default:
      return sum + x;
  }
}

double finish(uint32_t op, double sum, uint32_t count, double largest) {
  switch (op) {
    case abi::kReduceMean:
      return sum / count;
    case abi::kReduceL2:
      return std::sqrt(sum);
    case abi::kReduceLogSum:
      return std::log(sum);
    case abi::kReduceLogSumExp:
      return std::log(sum) + largest;
    default:
      return sum;
  }
}

// Reductions of integers that stay integers wrap around.
bool whole(uint32_t op) {
  return op == abi::kReduceSum || op == abi::kReduceMax || op == abi::kReduceMin || op == abi::kReduceProd ||
         op == abi::kReduceL1 || op == abi::kReduceSumSquare;
}

int64_t combine_whole(uint32_t op, bool is_unsigned, int64_t sum, int64_t x) {
  const auto a = uint64_t(sum), b = uint64_t(x);
  const bool less = is_unsigned ? a < b : sum < x;
  switch (op) {
    case abi::kReduceMax:
      return less ? x : sum;
    case abi::kReduceMin:
      return less ? sum : x;
    case abi::kReduceProd:
      return int64_t(a * b);
    case abi::kReduceL1:
      return int64_t(x < 0 && !is_unsigned ? a - b : a + b);
    case abi::kReduceSumSquare:
      return int64_t(a + b * b);
    default:
      return int64_t(a + b);
  }
}

void reduce_integers(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::ReduceParams>();
  const DType dtype = args.call.variant.storage;
  for (size_t i = 0; i < size_t(p.outer) * p.inner; ++i) {
    const size_t begin = i / p.inner * p.reduce * p.inner + i % p.inner;
    int64_t sum = dtype == DType::kBool ? p.op == abi::kReduceMin : real_to_int(dtype, start_value(p.op));
    for (size_t r = 0; r < p.reduce; ++r) {
      sum = combine_whole(p.op, dtype == DType::kU64, sum,
                          load_int(dtype, args.buffers[0], begin + r * p.inner));
    }
    store_int(dtype, args.buffers[1], i, sum);
  }
}

void reduce_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::ReduceParams>();
  const DType dtype = args.call.variant.storage;
  if (!core::dtype_is_float(dtype) && whole(p.op)) return reduce_integers(args);
  for (size_t i = 0; i < size_t(p.outer) * p.inner; ++i) {
    const size_t begin = i / p.inner * p.reduce * p.inner + i % p.inner;
    double largest = 0;
    for (size_t r = 0; r < p.reduce && p.op == abi::kReduceLogSumExp; ++r) {
      const double x = load_real(dtype, args.buffers[0], begin + r * p.inner);
      if (std::isfinite(x) && (r == 0 || x > largest)) largest = x;
    }
    double sum = start_value(p.op);
    for (size_t r = 0; r < p.reduce; ++r) {
      sum = combine(p.op, sum, load_real(dtype, args.buffers[0], begin + r * p.inner), largest);
    }
    store_real(dtype, args.buffers[1], i, finish(p.op, sum, p.reduce, largest));
  }
}

}  // namespace

void kernel_reduce(KernelRegistry& registry) { registry.add<abi::ReduceParams>("reduce", reduce_reference); }

}  // namespace vulcap::ops
