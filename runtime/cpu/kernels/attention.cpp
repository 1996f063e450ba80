#include <algorithm>
#include <limits>
#include <type_traits>

#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/parallel.h"
#include "runtime/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/cpu/kernels/attention.cpp"
#include "hwy/foreach_target.h"
#include "runtime/cpu/gemm-inl.h"

#ifndef VULCAP_CPU_ATTENTION_PLAN
#define VULCAP_CPU_ATTENTION_PLAN
namespace vulcap::cpu::attention {

// Up to this many queries read keys and values where they lie; more queries share packed panels of them.
inline constexpr size_t kFewQueries = 4;
inline constexpr size_t kQueryBlock = 12;

inline size_t kv_length(const ops::KernelCall& call, const uint32_t* state) {
  const auto& p = call.params_as<abi::AttentionParams>();
  return p.kv_len + (call.uses_state ? size_t(p.kv_len_dyn) * state[0] : 0);
}

inline bool reads_in_place(const abi::AttentionParams& p) {
  return p.q_len <= kFewQueries || (p.flags & abi::kAttentionRows) != 0;
}

// The longest kv_len the call can have, told by the keys' binding (kv_len itself may grow from call to call).
inline size_t longest_kv(const ops::KernelCall& call) {
  const auto& p = call.params_as<abi::AttentionParams>();
  if (!call.uses_state || p.kv_len_dyn == 0) return p.kv_len;
  const size_t elements = call.bindings[1].size / core::dtype_bytes(call.variant.storage, 1);
  return std::max<size_t>(p.kv_len, p.k_s == 0 ? 0 : elements / p.k_s + 1);
}

inline size_t round_up(size_t floats) { return (floats + 15) / 16 * 16; }
inline size_t panels(size_t columns) { return (columns + kPanelWidth - 1) / kPanelWidth; }

// Floats of one thread's scratch, by part.
struct Scratch {
  size_t query, scores, keys, values, tile;
  Scratch(const ops::KernelCall& call, size_t kv) {
    const auto& p = call.params_as<abi::AttentionParams>();
    const bool in_place = reads_in_place(p);
    const size_t rows = in_place ? 1 : kQueryBlock;
    query = round_up(rows * p.head_dim);
    scores = round_up(rows * panels(kv) * kPanelWidth);
    keys = in_place ? 0 : panels(kv) * kPanelWidth * p.head_dim;
    values = in_place ? round_up(p.v_dim) + kPanelWidth : panels(p.v_dim) * kPanelWidth * kv;
    tile = in_place ? 0 : scores + kQueryBlock * kPanelWidth;
  }
  size_t total() const { return query + scores + keys + values + tile; }
};

}  // namespace vulcap::cpu::attention
#endif

HWY_BEFORE_NAMESPACE();
namespace vulcap::cpu::HWY_NAMESPACE {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// T: f32 or f16 operands.
template <typename T>
class Attention {
 public:
  explicit Attention(const CpuArgs& args)
      : args_(args),
        p_(args.call().params_as<abi::AttentionParams>()),
        kv_(attention::kv_length(args.call(), args.args.state)),
        scratch_(args.call(), kv_) {}

  void run() const {
    const size_t threads = size_t(args_.pool.size()), heads = size_t(p_.batch) * p_.heads;
    const size_t work = heads * p_.q_len * kv_ * (p_.head_dim + p_.v_dim);
    const size_t slots = work > kSerialMultiplyAdds / 2 ? threads : 1;
    if (attention::reads_in_place(p_)) {
      parallel_items(args_.pool, slots, heads * p_.q_len, [&](size_t slot, size_t item) {
        one_query(item / p_.q_len / p_.heads, item / p_.q_len % p_.heads, item % p_.q_len, slot);
      });
      return;
    }
    const size_t blocks = (p_.q_len + attention::kQueryBlock - 1) / attention::kQueryBlock;
    const size_t groups =
        heads >= 2 * slots ? 1 : std::min(blocks, (2 * slots + heads - 1) / std::max<size_t>(1, heads));
    const size_t blocks_a_group = (blocks + groups - 1) / groups;
    parallel_items(args_.pool, slots, heads * groups, [&](size_t slot, size_t item) {
      const size_t begin = item % groups * blocks_a_group * attention::kQueryBlock;
      const size_t end = std::min<size_t>(p_.q_len, begin + blocks_a_group * attention::kQueryBlock);
      if (begin < end) queries(item / groups / p_.heads, item / groups % p_.heads, begin, end, slot);
    });
  }

 private:
  float* slot_memory(size_t slot) const {
    return reinterpret_cast<float*>(args_.scratch) + slot * scratch_.total();
  }
  size_t kv_head(size_t h) const { return h * p_.kv_heads / p_.heads; }
  const T* query(size_t b, size_t h, size_t i) const {
    return args_.ptr<T>(0) + p_.q_offset + b * p_.q_b + h * p_.q_h + i * p_.q_s;
  }
  const T* keys(size_t b, size_t h) const {
    return args_.ptr<T>(1) + p_.k_offset + b * p_.k_b + kv_head(h) * p_.k_h;
  }
  const T* values(size_t b, size_t h) const {
    return args_.ptr<T>(2) + p_.v_offset + b * p_.v_b + kv_head(h) * p_.v_h;
  }
  size_t cache_row(size_t b, size_t j) const {
    return p_.flags & abi::kAttentionRows ? args_.ptr<uint32_t>(4)[b * p_.batch_step + j] : b / p_.batch_step;
  }
  struct Span {
    size_t begin, end;
  };

  // The keys in sight of a query, but for the mask.
  Span visible(size_t b, size_t i) const {
    int64_t end = int64_t(kv_), counted = end, begin = 0;
    if (p_.flags & abi::kAttentionLengths) end = std::clamp<int64_t>(args_.ptr<int32_t>(6)[b], 0, end);
    if (p_.flags & abi::kAttentionCausalLengths) counted = end;
    if (p_.flags & abi::kAttentionCausal) {
      const int64_t last = int64_t(i) + counted - int64_t(p_.new_keys);
      end = std::min(end, last + 1);
      if (p_.window > 0) begin = std::max<int64_t>(0, last + 1 - int64_t(p_.window));
    }
    if (p_.flags & abi::kAttentionRows) {
      const int32_t* rows = args_.ptr<int32_t>(4) + b * p_.batch_step;
      while (begin < end && rows[begin] < 0) ++begin;
    }
    return {size_t(begin), size_t(std::max(begin, end))};
  }

  static float element(const T& value) {
    HWY_ALIGN T lanes[kLanes] = {};
    lanes[0] = value;
    return hn::GetLane(load(lanes));
  }

  static VFloat dot_lanes(const float* q, const T* k, size_t dim) {
    VFloat sum = hn::Zero(kFloats);
    size_t d = 0;
    for (; d + kLanes <= dim; d += kLanes) sum = hn::MulAdd(load(q + d), load(k + d), sum);
    if (d < dim) sum = hn::MulAdd(load_some(q + d, dim - d), load_some(k + d, dim - d), sum);
    return sum;
  }

  void copy_query(const T* from, float* to) const {
    for (size_t d = 0; d < p_.head_dim; d += kLanes)
      store_some(load_some(from + d, p_.head_dim - d), to + d, p_.head_dim - d);
  }

  // scores[keys) = exp(cap(scale * scores) + mask - largest), zero in the rest of [0, padded); returns 1 /
  // their sum, 0 when all are masked.
  float weigh(float* scores, const T* mask, Span keys, size_t padded) const {
    const size_t end = keys.end, whole = keys.begin + (end - keys.begin) / kLanes * kLanes;
    VFloat most = set(kMinusInfinity);
    for (size_t j = keys.begin; j < end; j += kLanes) {
      VFloat score = hn::Mul(load_some(scores + j, end - j), set(p_.scale));
      if (p_.softcap > 0) score = hn::Mul(tanh(hn::Div(score, set(p_.softcap))), set(p_.softcap));
      if (mask != nullptr) score = hn::Add(score, load_some(mask + j, end - j));
      store_some(score, scores + j, end - j);
      if (j < whole) most = hn::Max(score, most);
    }
    float largest = hn::GetLane(hn::MaxOfLanes(kFloats, most));
    for (size_t j = whole; j < end; ++j) largest = std::max(largest, scores[j]);
    std::fill(scores, scores + keys.begin, kMinusInfinity);
    std::fill(scores + end, scores + padded, kMinusInfinity);
    if (largest == kMinusInfinity) {
      std::fill(scores, scores + padded, 0.0f);
      return 0;
    }
    VFloat sum = hn::Zero(kFloats);
    for (size_t j = 0; j < padded; j += kLanes) {
      const VFloat weight = exponential(hn::Sub(load(scores + j), set(largest)));
      store(weight, scores + j);
      sum = hn::Add(sum, weight);
    }
    return 1.0f / hn::GetLane(hn::SumOfLanes(kFloats, sum));
  }

  const T* mask_row(size_t b, size_t h, size_t i) const {
    if (!(p_.flags & abi::kAttentionMask)) return nullptr;
    return args_.ptr<T>(3) + b * p_.mask_b + h * p_.mask_h + i * p_.mask_q;
  }

  T* output(size_t b, size_t h, size_t i) const {
    return args_.ptr<T>(5) + b * p_.o_b + h * p_.o_h + i * p_.o_s;
  }

  void one_query(size_t b, size_t h, size_t i, size_t slot) const {
    float* q = slot_memory(slot);
    float* scores = q + scratch_.query;
    float* sums = scores + scratch_.scores;
    const Span span = visible(b, i);
    copy_query(query(b, h, i), q);
    for (size_t j = span.begin; j < span.end; ++j) {
      const T* k = keys(cache_row(b, j), h) + j * p_.k_s;
      scores[j] = hn::GetLane(hn::SumOfLanes(kFloats, dot_lanes(q, k, p_.head_dim)));
    }
    const size_t padded = (span.end + kLanes - 1) / kLanes * kLanes;
    const float inverse = weigh(scores, mask_row(b, h, i), span, padded);
    for (size_t d = 0; d < p_.v_dim; d += 4 * kLanes) {
      if (d + 4 * kLanes <= p_.v_dim) {
        weighted_sum<4>(b, h, d, 4 * kLanes, scores, span, sums);
      } else {
        for (size_t rest = d; rest < p_.v_dim; rest += kLanes) {
          weighted_sum<1>(b, h, rest, std::min(kLanes, p_.v_dim - rest), scores, span, sums);
        }
      }
    }
    finish(sums, inverse, output(b, h, i));
  }

  // sums[d, d + width) = sum_j scores[j] v[j, d..]
  template <size_t kVectors>
  void weighted_sum(size_t b, size_t h, size_t d, size_t width, const float* scores, Span span,
                    float* sums) const {
    VFloat total[kVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) total[v] = hn::Zero(kFloats);
    for (size_t j = span.begin; j < span.end; ++j) {
      const T* value = values(cache_row(b, j), h) + j * p_.v_s + d;
      const VFloat weight = set(scores[j]);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v) {
        const VFloat x = kVectors == 1 ? load_some(value, width) : load(value + v * kLanes);
        total[v] = hn::MulAdd(weight, x, total[v]);
      }
    }
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) store(total[v], sums + d + v * kLanes);
  }

  void finish(const float* sums, float inverse, T* out) const {
    for (size_t d = 0; d < p_.v_dim; d += kLanes) {
      store_some(hn::Mul(load_some(sums + d, p_.v_dim - d), set(inverse)), out + d, p_.v_dim - d);
    }
  }

  // Queries [begin, end) of one head: both products run on panels packed to f32.
  void queries(size_t b, size_t h, size_t begin, size_t end, size_t slot) const {
    float* memory = slot_memory(slot);
    float* packed_keys = memory + scratch_.query + scratch_.scores;
    float* packed_values = packed_keys + scratch_.keys;
    const size_t row = b / p_.batch_step;
    pack_keys(keys(row, h), packed_keys);
    pack_values(values(row, h), packed_values);
    for (size_t i = begin; i < end; i += kTileRows) {
      query_block(b, h, i, std::min(kTileRows, end - i), memory, packed_keys, packed_values);
    }
  }

  void pack_keys(const T* k, float* packed) const {
    HWY_ALIGN float lanes[kLanes];
    for (size_t j = 0; j < attention::panels(kv_) * kPanelWidth; ++j) {
      float* column = packed + j / kPanelWidth * kPanelWidth * p_.head_dim + j % kPanelWidth;
      for (size_t d = 0; d < p_.head_dim; d += kLanes) {
        store(j < kv_ ? load_some(k + j * p_.k_s + d, p_.head_dim - d) : hn::Zero(kFloats), lanes);
        for (size_t u = 0; u < kLanes && d + u < p_.head_dim; ++u) column[(d + u) * kPanelWidth] = lanes[u];
      }
    }
  }

  void pack_values(const T* v, float* packed) const {
    for (size_t d = 0; d < p_.v_dim; d += kPanelWidth) {
      for (size_t j = 0; j < kv_; ++j) {
        float* to = packed + d * kv_ + j * kPanelWidth;
        for (size_t u = 0; u < kPanelWidth; u += kLanes) {
          const size_t left = d + u < p_.v_dim ? p_.v_dim - d - u : 0;
          store(left == 0 ? hn::Zero(kFloats) : load_some(v + j * p_.v_s + d + u, left), to + u);
        }
      }
    }
  }

  void query_block(size_t b, size_t h, size_t i, size_t rows, float* memory, const float* packed_keys,
                   const float* packed_values) const {
    float* scores = memory + scratch_.query;
    float* turned = memory + scratch_.query + scratch_.scores + scratch_.keys + scratch_.values;
    float* sums = turned + scratch_.scores;
    float inverse[attention::kQueryBlock];
    const size_t stride = attention::panels(kv_) * kPanelWidth, count = visible(b, i + rows - 1).end;
    const auto product = tile_for<float>(rows);
    pack_rows_of_a(query(b, h, i), p_.q_s, rows, p_.head_dim, memory);
    for (size_t j = 0; j < count; j += kPanelWidth) {
      product({memory, p_.head_dim, 0, p_.head_dim}, packed_keys + j * p_.head_dim, kPanelWidth, false, sums);
      for (size_t row = 0; row < rows; ++row) {
        std::copy_n(sums + row * kPanelWidth, kPanelWidth, scores + row * stride + j);
      }
    }
    const size_t padded = (count + kLanes - 1) / kLanes * kLanes;
    for (size_t row = 0; row < rows; ++row) {
      inverse[row] = weigh(scores + row * stride, mask_row(b, h, i + row), visible(b, i + row), padded);
    }
    pack_rows_of_a(scores, stride, rows, count, turned);
    for (size_t d = 0; d < p_.v_dim; d += kPanelWidth) {
      product({turned, count, 0, count}, packed_values + d * kv_, kPanelWidth, false, sums);
      for (size_t row = 0; row < rows; ++row) {
        T* out = output(b, h, i + row) + d;
        for (size_t u = 0; u < kPanelWidth && d + u < p_.v_dim; u += kLanes) {
          store_some(hn::Mul(load(sums + row * kPanelWidth + u), set(inverse[row])), out + u,
                     p_.v_dim - d - u);
        }
      }
    }
  }

  const CpuArgs& args_;
  const abi::AttentionParams& p_;
  size_t kv_;
  attention::Scratch scratch_;
};

void attend(const CpuArgs& args) {
  if (args.call().variant.storage == core::DType::kF16) return Attention<hwy::float16_t>(args).run();
  Attention<float>(args).run();
}

}  // namespace vulcap::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vulcap::cpu {

HWY_EXPORT(attend);

namespace {

void run_attention(const CpuArgs& args) { HWY_DYNAMIC_DISPATCH(attend)(args); }

bool accepts_attention(const ops::KernelCall& call) {
  return call.variant.storage == core::DType::kF32 || call.variant.storage == core::DType::kF16;
}

size_t attention_scratch(const ops::KernelCall& call, size_t threads) {
  return attention::Scratch(call, attention::longest_kv(call)).total() * sizeof(float) * threads;
}

}  // namespace

void cpu_kernel_attention(CpuRegistry& registry) {
  registry.add("attention", {run_attention, accepts_attention, attention_scratch});
}

}  // namespace vulcap::cpu
#endif
