#include <algorithm>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

void softmax_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::SoftmaxParams>();
  const DType dtype = args.call.variant.storage;
  for (size_t row = 0; row < p.rows; ++row) {
    const size_t begin = row * p.cols, end = begin + p.cols;
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (size_t i = begin; i < end; ++i) largest = std::max(largest, load_real(dtype, args.buffers[0], i));
    for (size_t i = begin; i < end; ++i) sum += std::exp(load_real(dtype, args.buffers[0], i) - largest);
    for (size_t i = begin; i < end; ++i) {
      const double x = load_real(dtype, args.buffers[0], i) - largest;
      store_real(dtype, args.buffers[1], i, p.log_output ? x - std::log(sum) : std::exp(x) / sum);
    }
  }
}

}  // namespace

void kernel_softmax(KernelRegistry& registry) {
  registry.add<abi::SoftmaxParams>("softmax", softmax_reference);
}

}  // namespace vulcap::ops
