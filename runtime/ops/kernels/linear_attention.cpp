#include <vector>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

// One head of one batch entry.
class Recurrence {
 public:
  Recurrence(const KernelArgs& args, size_t b, size_t h)
      : args_(args),
        p_(args.call.params_as<abi::LinearAttentionParams>()),
        b_(b),
        h_(h),
        state_(size_t(p_.key_width) * p_.value_width),
        key_(p_.key_width),
        update_(p_.value_width) {
    if (!flag(abi::kLinearPast)) return;
    for (size_t i = 0; i < state_.size(); ++i) state_[i] = load(5, (b * p_.kv_heads + h) * state_.size() + i);
  }

  void run() {
    for (size_t t = 0; t < p_.positions; ++t) step(b_ * p_.positions + t);
    for (size_t i = 0; i < state_.size(); ++i)
      store_real(dtype(), args_.buffers[7], (b_ * p_.kv_heads + h_) * state_.size() + i, state_[i]);
  }

 private:
  DType dtype() const { return args_.call.variant.storage; }
  bool flag(uint32_t bit) const { return (p_.flags & bit) != 0; }
  double load(size_t binding, size_t i) const { return load_real(dtype(), args_.buffers[binding], i); }

  double dot(const std::vector<double>& left, size_t m) const {
    double sum = 0;
    for (size_t d = 0; d < p_.key_width; ++d) sum += left[d] * state_[d * p_.value_width + m];
    return sum;
  }

  void step(size_t row) {
    const size_t at = row * p_.kv_heads + h_;
    for (size_t d = 0; d < p_.key_width; ++d) key_[d] = load(1, at * p_.key_width + d);
    for (size_t i = 0; flag(abi::kLinearDecay) && i < state_.size(); ++i)
      state_[i] *=
          std::exp(load(3, flag(abi::kLinearDecayByKey) ? at * p_.key_width + i / p_.value_width : at));
    for (size_t m = 0; m < p_.value_width; ++m) {
      update_[m] = load(2, at * p_.value_width + m);
      if (flag(abi::kLinearDelta))
        update_[m] = load(4, flag(abi::kLinearBetaShared) ? row : at) * (update_[m] - dot(key_, m));
    }
    for (size_t i = 0; i < state_.size(); ++i)
      state_[i] += key_[i / p_.value_width] * update_[i % p_.value_width];
    const size_t group = p_.heads / p_.kv_heads;
    for (size_t head = h_ * group; head < (h_ + 1) * group; ++head) {
      std::vector<double> query(p_.key_width);
      for (size_t d = 0; d < p_.key_width; ++d)
        query[d] = load(0, (row * p_.heads + head) * p_.key_width + d);
      for (size_t m = 0; m < p_.value_width; ++m)
        store_real(dtype(), args_.buffers[6], (row * p_.heads + head) * p_.value_width + m,
                   double(p_.scale) * dot(query, m));
    }
  }

  const KernelArgs& args_;
  const abi::LinearAttentionParams& p_;
  size_t b_, h_;
  std::vector<double> state_, key_, update_;
};

void linear_attention_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::LinearAttentionParams>();
  for (size_t i = 0; i < size_t(p.batch) * p.kv_heads; ++i)
    Recurrence(args, i / p.kv_heads, i % p.kv_heads).run();
}

}  // namespace

void kernel_linear_attention(KernelRegistry& registry) {
  registry.add<abi::LinearAttentionParams>("linear_attention", linear_attention_reference);
}

}  // namespace vulcap::ops
