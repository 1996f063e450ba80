#include <algorithm>
#include <vector>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

struct Row {
  size_t b, h, i;
};

size_t cache_row(const KernelArgs& args, const abi::AttentionParams& p, size_t b, size_t j) {
  return p.flags & abi::kAttentionRows ? load_as<uint32_t>(args.buffers[4], b * p.batch_step + j)
                                       : b / p.batch_step;
}

double score(const KernelArgs& args, const abi::AttentionParams& p, const Row& row, size_t j) {
  const DType dtype = args.call.variant.storage;
  const size_t q = p.q_offset + row.b * p.q_b + row.h * p.q_h + row.i * p.q_s;
  const size_t k =
      p.k_offset + cache_row(args, p, row.b, j) * p.k_b + row.h * p.kv_heads / p.heads * p.k_h + j * p.k_s;
  double sum = 0;
  for (size_t d = 0; d < p.head_dim; ++d) {
    sum += load_real(dtype, args.buffers[0], q + d) * load_real(dtype, args.buffers[1], k + d);
  }
  sum *= double(p.scale);
  if (p.softcap > 0) sum = double(p.softcap) * std::tanh(sum / double(p.softcap));
  if (!(p.flags & abi::kAttentionMask)) return sum;
  return sum + load_real(dtype, args.buffers[3], row.b * p.mask_b + row.h * p.mask_h + row.i * p.mask_q + j);
}

struct Span {
  size_t begin, end;
};

// The keys in sight of a query, but for the mask.
Span visible(const KernelArgs& args, const abi::AttentionParams& p, const Row& row, int64_t kv_len) {
  int64_t end = kv_len, counted = kv_len, begin = 0;
  if (p.flags & abi::kAttentionLengths)
    end = std::min<int64_t>(end, load_as<int32_t>(args.buffers[6], row.b));
  if (p.flags & abi::kAttentionCausalLengths) counted = end;
  if (p.flags & abi::kAttentionCausal) {
    const int64_t last = int64_t(row.i) + counted - int64_t(p.new_keys);
    end = std::min(end, last + 1);
    if (p.window > 0) begin = std::max<int64_t>(0, last + 1 - int64_t(p.window));
  }
  if (p.flags & abi::kAttentionRows) {
    while (begin < end && load_as<int32_t>(args.buffers[4], row.b * p.batch_step + size_t(begin)) < 0)
      ++begin;
  }
  return {size_t(begin), size_t(std::max(begin, end))};
}

void attend(const KernelArgs& args, const abi::AttentionParams& p, const Row& row, int64_t kv_len) {
  const DType dtype = args.call.variant.storage;
  const Span keys = visible(args, p, row, kv_len);
  std::vector<double> weights(keys.end - keys.begin);
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t j = 0; j < weights.size(); ++j)
    largest = std::max(largest, weights[j] = score(args, p, row, keys.begin + j));
  if (largest == -std::numeric_limits<double>::infinity()) weights.clear();
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  for (size_t d = 0; d < p.v_dim; ++d) {
    double value = 0;
    for (size_t j = 0; j < weights.size(); ++j) {
      const size_t key = keys.begin + j, b = cache_row(args, p, row.b, key);
      const size_t v = p.v_offset + b * p.v_b + row.h * p.kv_heads / p.heads * p.v_h + key * p.v_s + d;
      value += weights[j] / sum * load_real(dtype, args.buffers[2], v);
    }
    store_real(dtype, args.buffers[5], row.b * p.o_b + row.h * p.o_h + row.i * p.o_s + d, value);
  }
}

void attention_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::AttentionParams>();
  const int64_t kv_len = p.kv_len + (args.call.uses_state ? int64_t(p.kv_len_dyn) * args.state[0] : 0);
  for (size_t row = 0; row < size_t(p.batch) * p.heads * p.q_len; ++row) {
    attend(args, p, {row / p.q_len / p.heads, row / p.q_len % p.heads, row % p.q_len}, kv_len);
  }
}

}  // namespace

void kernel_attention(KernelRegistry& registry) {
  registry.add<abi::AttentionParams>("attention", attention_reference);
}

}  // namespace vulcap::ops
