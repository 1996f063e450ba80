#include "loader/conversion/quantization/calibration/product_observer.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "runtime/core/hash.h"
#include "shaders/abi.h"

namespace vulcap::quantization {
namespace {

using ops::Binding;

bool is_constant(const Binding& binding) { return binding.kind == ops::BufferKind::kConstant; }

// Rows of equal length in each matrix of a batch, in elements.
struct Rows {
  size_t offset, batch, batch_step, count, step, length;
};

void add_rows(Histogram& histogram, const core::Tensor& content, const Rows& rows) {
  const std::span<const float> all = content.as<float>();
  for (size_t b = 0; b < rows.batch; ++b) {
    for (size_t row = 0; row < rows.count; ++row)
      histogram.add(all.subspan(rows.offset + b * rows.batch_step + row * rows.step, rows.length));
  }
}

void add_all(Histogram& histogram, const core::Tensor& content) { histogram.add(content.as<float>()); }

size_t matrices(const abi::MatmulParams& p, uint32_t step) { return step == 0 ? 1 : p.batch; }

// C = A weight
void add_left(const WatchedCall& watched, const abi::MatmulParams& p, Histogram& operand) {
  add_rows(operand, watched.content(watched.call().bindings[0]),
           {p.a_offset, matrices(p, p.a_batch), p.a_batch, p.m, p.lda, p.k});
}

// C = weight B, as convolutions are computed
void add_right(const WatchedCall& watched, const abi::MatmulParams& p, ProductObserver::Seen& seen) {
  const bool transposed = (p.flags & abi::kMatmulTransB) != 0;
  add_rows(seen.operand, watched.content(watched.call().bindings[1]),
           {0, matrices(p, p.b_batch), p.b_batch, transposed ? p.n : p.k, p.ldb, transposed ? p.k : p.n});
  add_rows(seen.result, watched.content(watched.call().bindings[4]),
           {p.c_column, p.batch, p.c_batch, p.m, p.ldc, p.n});
}

}  // namespace

void ProductObserver::see(const WatchedCall& watched) {
  const ops::KernelCall& call = watched.call();
  const std::string_view kernel = ops::kernels()[call.kernel].name;
  if (call.variant.storage != core::DType::kF32 || (kernel != "matmul" && kernel != "conv")) return;
  const Binding &first = call.bindings[0], &second = call.bindings[1];
  if (is_constant(first) == is_constant(second)) return;
  Seen& seen = entry(watched.constant(is_constant(first) ? first : second));
  if (kernel == "conv") {
    add_all(seen.operand, watched.content(first));
    add_all(seen.result, watched.content(call.bindings[3]));
  } else if (is_constant(second)) {
    add_left(watched, call.params_as<abi::MatmulParams>(), seen.operand);
  } else {
    add_right(watched, call.params_as<abi::MatmulParams>(), seen);
  }
}

ProductObserver::Content ProductObserver::content_of(const core::Tensor& weight) {
  return {core::hash_bytes(weight.bytes()), weight.bytes().size()};
}

ProductObserver::Seen& ProductObserver::entry(const core::Tensor& weight) {
  auto& [tensor, seen] = known_[weight.bytes().data()];
  if (seen == nullptr || tensor.bytes().size() != weight.bytes().size()) {
    tensor = weight;
    seen = &seen_[content_of(weight)];
  }
  return *seen;
}

const ProductObserver::Seen* ProductObserver::of(const core::Tensor& weight) const {
  const auto found = seen_.find(content_of(weight));
  return found == seen_.end() ? nullptr : &found->second;
}

}  // namespace vulcap::quantization
