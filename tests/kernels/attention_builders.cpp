// Rows of the kernels of attention: attention, rotary, kv_update, linear_attention.
#include <cmath>
#include <limits>

#include "runtime/ops/kernels/element.h"
#include "tests/kernels/builder.h"

namespace vulcap::testing {
namespace {

using core::DType;

struct AttentionSizes {
  uint32_t capacity = 0;  // positions each cache row has room for
  uint32_t caches = 0;    // cache rows
  bool heads_first = false;
};

// Strides of [batch, heads, length, dim] or, positions first, [batch, length, heads, dim].
void set_layout(bool heads_first, uint32_t heads, uint32_t length, uint32_t dim, uint32_t& b, uint32_t& h,
                uint32_t& s) {
  b = heads * length * dim;
  h = heads_first ? length * dim : dim;
  s = heads_first ? dim : heads * dim;
}

abi::AttentionParams attention_params(Row& row, uint32_t position, AttentionSizes& sizes) {
  abi::AttentionParams p{};
  p.batch = uint32_t(row.integer("batch", 1));
  p.heads = uint32_t(row.integer("heads", 2));
  p.kv_heads = uint32_t(row.integer("kv_heads", p.heads));
  p.q_len = uint32_t(row.integer("q", 5));
  p.kv_len = uint32_t(row.integer("kv", 7));
  p.kv_len_dyn = uint32_t(row.integer("dyn", 0));
  p.head_dim = uint32_t(row.integer("d", 16));
  p.v_dim = uint32_t(row.integer("v", p.head_dim));
  p.scale = float(row.real("scale", 1.0 / std::sqrt(double(p.head_dim))));
  p.batch_step = uint32_t(row.integer("group", 1));
  p.softcap = float(row.real("softcap", 0));
  p.window = uint32_t(row.integer("window", 0));
  p.new_keys = uint32_t(row.integer("new_keys", p.q_len));
  if (row.flag("causal")) p.flags |= abi::kAttentionCausal;
  const uint32_t length = p.kv_len + p.kv_len_dyn * position;
  sizes.capacity = length + uint32_t(row.integer("spare", 0));
  sizes.caches = (p.batch + p.batch_step - 1) / p.batch_step;
  sizes.heads_first = row.flag("bhsd");
  set_layout(sizes.heads_first, p.heads, p.q_len, p.head_dim, p.q_b, p.q_h, p.q_s);
  set_layout(sizes.heads_first, p.kv_heads, sizes.capacity, p.head_dim, p.k_b, p.k_h, p.k_s);
  set_layout(sizes.heads_first, p.kv_heads, sizes.capacity, p.v_dim, p.v_b, p.v_h, p.v_s);
  set_layout(false, p.heads, p.q_len, p.v_dim, p.o_b, p.o_h, p.o_s);
  p.q_offset = p.k_offset = p.v_offset = uint32_t(row.integer("offset", 0));
  const std::string mask = row.text("mask", "none");
  if (mask != "none") p.flags |= abi::kAttentionMask;
  p.mask_q = mask == "full" ? length : 0;
  p.mask_h = mask == "full" ? p.q_len * length : 0;
  p.mask_b = mask == "full" ? p.heads * p.q_len * length : length;
  if (row.flag("lengths")) p.flags |= abi::kAttentionLengths;
  if (row.flag("counted")) p.flags |= abi::kAttentionCausalLengths;
  if (row.flag("rows")) {
    p.flags |= abi::kAttentionRows;
    p.batch_step = length;
  }
  return p;
}

void bind_mask(const abi::AttentionParams& p, uint32_t length, bool all, Builder& builder) {
  const size_t count = p.mask_q != 0 ? size_t(p.batch) * p.mask_b : size_t(p.batch) * length;
  const uint32_t mask = builder.input(builder.storage(), count);
  for (size_t i = 0; i < count; ++i) {
    const bool hidden = all || i % 5 == 1 || i % 7 == 3;
    if (hidden)
      set_element(builder.storage(), builder.test().inputs[mask], i,
                  -std::numeric_limits<double>::infinity());
  }
}

// attention: batch heads kv_heads q kv dyn state d v scale causal mask=full|row allmasked rows padded group
// bhsd spare offset softcap window new_keys lengths counted
void build_attention(Row& row, Builder& builder) {
  const auto position = uint32_t(row.integer("state", 0));
  AttentionSizes sizes;
  const auto p = attention_params(row, position, sizes);
  const uint32_t length = p.kv_len + p.kv_len_dyn * position;
  const uint32_t q = builder.input(builder.storage(), p.q_offset + size_t(p.batch) * p.q_b);
  builder.input(builder.storage(), p.k_offset + size_t(sizes.caches) * p.k_b);
  builder.input(builder.storage(), p.v_offset + size_t(sizes.caches) * p.v_b);
  const bool all = row.flag("allmasked");
  if (p.flags & abi::kAttentionMask) {
    bind_mask(p, length, all, builder);
  } else {
    builder.bind(q);
  }
  if (p.flags & abi::kAttentionRows) {
    const uint32_t rows = builder.input(DType::kI32, size_t(p.batch) * length, 0, sizes.caches);
    const auto padded =
        uint32_t(row.integer("padded", 0));  // keys at the front that batch entry 1 does not see
    for (uint32_t j = 0; j < padded; ++j)
      ops::store_as<int32_t>(builder.test().inputs[rows].data(), length + j, -1);
  } else {
    builder.bind(q);
  }
  builder.output(builder.storage(), size_t(p.batch) * p.o_b);
  if (p.flags & abi::kAttentionLengths) {
    builder.input(DType::kI32, p.batch, 0, int(length) + 2);
  } else {
    builder.bind(q);
  }
  if (p.kv_len_dyn != 0) builder.bind_state(position);
  builder.finish(p, p.q_len, p.heads, p.batch);
}

// rotary: batch heads s d rotary rows ids=none|own|first interleaved bhsd offset
void build_rotary(Row& row, Builder& builder) {
  abi::RotaryParams p{};
  const auto batch = uint32_t(row.integer("batch", 2));
  p.heads = uint32_t(row.integer("heads", 3));
  p.positions = uint32_t(row.integer("s", 5));
  p.width = uint32_t(row.integer("d", 8));
  p.rotary = uint32_t(row.integer("rotary", p.width));
  p.rows = uint32_t(row.integer("rows", 11));
  p.n = batch * p.heads * p.positions * p.width;
  if (row.flag("interleaved")) p.flags |= abi::kRotaryInterleaved;
  set_layout(row.flag("bhsd"), p.heads, p.positions, p.width, p.x_b, p.x_h, p.x_s);
  set_layout(true, p.heads, p.positions, p.width, p.y_b, p.y_h, p.y_s);
  p.x_offset = uint32_t(row.integer("offset", 0));
  const std::string ids = row.text("ids", "none");
  if (ids != "none") p.flags |= abi::kRotaryIds;
  p.ids_b = ids == "own" ? p.positions : 1;
  p.ids_s = ids == "own" ? 1 : 0;
  p.row_s = ids == "own" ? 0 : 1;
  p.row_b = ids == "none" ? 1 : 0;
  p.row_offset = int32_t(row.integer("shift", 0));
  const uint32_t x = builder.input(builder.storage(), p.x_offset + size_t(batch) * p.x_b);
  builder.input(builder.storage(), size_t(p.rows) * p.rotary / 2);
  builder.input(builder.storage(), size_t(p.rows) * p.rotary / 2);
  if (ids == "none") {
    builder.bind(x);
  } else {
    if (builder.second() == DType::kUndefined) builder.test().call.variant.second = DType::kI64;
    builder.input(builder.second(), size_t(batch) * p.positions, 0, p.rows);
  }
  builder.output(builder.storage(), p.n);
  builder.finish(p, p.n);
}

// kv_update: batch heads new past total d lengths
void build_kv_update(Row& row, Builder& builder) {
  abi::KvUpdateParams p{};
  const auto batch = uint32_t(row.integer("batch", 2));
  p.heads = uint32_t(row.integer("heads", 3));
  p.width = uint32_t(row.integer("d", 4));
  p.new_len = uint32_t(row.integer("new", 2));
  p.past_len = p.past_h = uint32_t(row.integer("past", 5));
  p.count = p.y_h = uint32_t(row.integer("total", 7));
  if (row.flag("lengths")) p.flags |= abi::kKvLengths;
  set_layout(false, p.heads, p.new_len, p.width, p.x_b, p.x_h, p.x_s);
  p.n = batch * p.heads * p.count * p.width;
  const uint32_t x = builder.input(builder.storage(), size_t(batch) * p.x_b);
  if (p.past_len > 0) {
    builder.input(builder.storage(), size_t(batch) * p.heads * p.past_h * p.width);
  } else {
    builder.bind(x);
  }
  if (row.flag("lengths")) {
    builder.input(DType::kI32, batch, 0, p.count + 1);
  } else {
    builder.bind(x);
  }
  builder.output(builder.storage(), p.n);
  builder.test().tolerance = 0;
  builder.finish(p, p.n);
}

// linear_attention: batch s heads kv_heads d v decay=none|head|key delta shared past scale
void build_linear_attention(Row& row, Builder& builder) {
  abi::LinearAttentionParams p{};
  p.batch = uint32_t(row.integer("batch", 2));
  p.positions = uint32_t(row.integer("s", 3));
  p.heads = uint32_t(row.integer("heads", 4));
  p.kv_heads = uint32_t(row.integer("kv_heads", 2));
  p.key_width = uint32_t(row.integer("d", 5));
  p.value_width = uint32_t(row.integer("v", 6));
  p.scale = float(row.real("scale", 0.3));
  const size_t rows = size_t(p.batch) * p.positions,
               states = size_t(p.batch) * p.kv_heads * p.key_width * p.value_width;
  const std::string decay = row.text("decay", "none");
  const uint32_t q = builder.input(builder.storage(), rows * p.heads * p.key_width);
  builder.input(builder.storage(), rows * p.kv_heads * p.key_width);
  builder.input(builder.storage(), rows * p.kv_heads * p.value_width);
  const auto optional = [&](bool given, uint32_t flag, size_t count, double low, double high) {
    if (given) {
      p.flags |= flag;
      builder.input(builder.storage(), count, low, high);
    } else {
      builder.bind(q);
    }
  };
  const bool by_key = decay == "key", shared = row.flag("shared");
  optional(decay != "none", abi::kLinearDecay | (by_key ? abi::kLinearDecayByKey : 0),
           rows * p.kv_heads * (by_key ? p.key_width : 1), -1, 0);
  optional(row.flag("delta"), abi::kLinearDelta | (shared ? abi::kLinearBetaShared : 0),
           rows * (shared ? 1 : p.kv_heads), 0, 1);
  optional(row.flag("past"), abi::kLinearPast, states, -1, 1);
  builder.output(builder.storage(), rows * p.heads * p.value_width);
  builder.output(builder.storage(), states);
  builder.finish(p, p.batch * p.kv_heads * p.value_width);
}

}  // namespace

bool build_attention_case(const std::string& kernel, Row& row, Builder& builder) {
  if (kernel == "attention") {
    build_attention(row, builder);
  } else if (kernel == "rotary") {
    build_rotary(row, builder);
  } else if (kernel == "kv_update") {
    build_kv_update(row, builder);
  } else if (kernel == "linear_attention") {
    build_linear_attention(row, builder);
  } else {
    return false;
  }
  return true;
}

}  // namespace vulcap::testing
