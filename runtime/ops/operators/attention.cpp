// Operators that passes make: vulcap.Attention (scaled dot-product attention over strided operands) and
// vulcap.KvAppend (new keys or values written behind those in the cache).
#include "runtime/ops/attention.h"

#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

std::vector<int64_t> view_attribute(const Attributes& attributes, std::string_view name) {
  auto view = attributes.integers(name);
  if (view.size() != 4)
    throw core::Error(core::ErrorCode::kInvalidModel,
                      "attribute '" + std::string(name) + "' must be [offset, batch, head, position]");
  return view;
}

std::vector<int64_t> dims_attribute(const Attributes& attributes) {
  auto dims = attributes.integers("dims");
  if (dims.size() != 7)
    throw core::Error(core::ErrorCode::kInvalidModel, "attribute 'dims' must have 7 entries");
  return dims;
}

// dims: batch, heads, key/value heads, query length, key width, value width, key/value batch.
void infer_attention(InferContext& c) {
  const auto dims = dims_attribute(c.attributes());
  const bool by_position = c.attributes().integer("out_by_position", 0) != 0;
  SymShape to{Dim(dims[0]), Dim(dims[1]), Dim(dims[3]), Dim(dims[5])};
  if (by_position) std::swap(to[1], to[2]);
  c.set(0, c.dtype(0), std::move(to));
}

void lower_attention(LowerContext& c) {
  const Attributes& attributes = c.attributes();
  const auto dims = dims_attribute(attributes);
  abi::AttentionParams p{};
  p.batch = narrow(dims[0]);
  p.heads = narrow(dims[1]);
  p.kv_heads = narrow(dims[2]);
  p.q_len = narrow(dims[3]);
  p.head_dim = narrow(dims[4]);
  p.v_dim = narrow(dims[5]);
  p.batch_group = dims[6] > 0 ? narrow(dims[0] / dims[6]) : 1;
  const auto [base, past] = c.affine(Dim::parse(attributes.text("kv_len", "0")));
  p.kv_len = narrow(base);
  p.kv_len_dyn = narrow(past);
  p.scale = attributes.real("scale", 1.0f);
  p.flags = (attributes.integer("causal", 0) != 0 ? abi::kAttentionCausal : 0) |
            (c.has(3) ? abi::kAttentionMask : 0) | (c.has(4) ? abi::kAttentionRows : 0);
  auto set = [&](std::string_view name, uint32_t& offset, uint32_t& b, uint32_t& h, uint32_t& s) {
    const auto view = view_attribute(attributes, name);
    offset = narrow(view[0]);
    b = narrow(view[1]);
    h = narrow(view[2]);
    s = narrow(view[3]);
  };
  set("q_view", p.q_offset, p.q_b, p.q_h, p.q_s);
  set("k_view", p.k_offset, p.k_b, p.k_h, p.k_s);
  set("v_view", p.v_offset, p.v_b, p.v_h, p.v_s);
  const bool by_position = attributes.integer("out_by_position", 0) != 0;
  p.o_h = by_position ? p.v_dim : p.q_len * p.v_dim;
  p.o_s = by_position ? p.heads * p.v_dim : p.v_dim;
  p.o_b = p.heads * p.q_len * p.v_dim;
  if (c.has(3)) {
    const auto mask = attributes.integers("mask_strides", {0, 0, 0});
    p.mask_b = narrow(mask[0]);
    p.mask_h = narrow(mask[1]);
    p.mask_q = narrow(mask[2]);
  }
  if (c.has(4)) p.rows_stride = narrow(c.static_shape(c.in(4))[1]);
  auto& lowered =
      c.emit("attention", {c.dtype(0), {}}, p,
             {c.read(c.in(0)), c.read(c.in(1)), c.read(c.in(2)), c.read(c.has(3) ? c.in(3) : c.in(0)),
              c.read(c.has(4) ? c.in(4) : c.in(0)), c.write(c.out(0))},
             {p.q_len, p.heads, p.batch});
  lowered.call.uses_state = p.kv_len_dyn != 0;
}

// inputs: past [batch, heads, past, width] with capacity, source of the new positions; view: how to read the
// source.
void infer_append(InferContext& c) {
  SymShape to = c.shape(0);
  to[2] = to[2] + Dim(c.attributes().integer("length", 0));
  c.set(0, c.dtype(0), std::move(to));
}

void lower_append(LowerContext& c) {
  const Value& past = c.value(c.in(0));
  const SymShape shape = *past.shape;
  const int64_t capacity = past.capacity;
  const int64_t length = c.attributes().integer("length", 0);
  const auto view = view_attribute(c.attributes(), "view");
  const int64_t batch = shape[0].value();
  const int64_t heads = shape[1].value();
  const int64_t width = shape[3].value();
  const auto [base, dyn] = c.affine(shape[2]);
  StridedCopy copy{{batch, heads, length, width},
                   {view[1], view[2], view[3], 1},
                   {heads * capacity * width, capacity * width, width, 1}};
  copy.in_offset = view[0];
  copy.out_offset = base * width;
  copy.out_offset_dyn = dyn * width;
  c.alias(c.out(0), c.in(0));
  emit_copy(c, c.in(1), c.out(0), copy);
}

}  // namespace

void register_attention(OpRegistry& registry) {
  registry.add({std::string(kAttention), "vulcap", infer_attention, lower_attention});
  registry.add({std::string(kKvAppend), "vulcap", infer_append, lower_append});
}

}  // namespace vulcap::ops
