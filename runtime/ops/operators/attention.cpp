// vulcap.Attention: scaled dot-product attention over strided operands, see AttentionParams in shaders/abi.h.
// inputs: q, k, v, mask?, rows?, lengths?; attributes: scale, softcap, causal, new_keys (default: the
// queries), causal_lengths, window, out_by_position (the output is [batch, position, head, width]). Without
// `dims` q, k and v are [batch, heads, position, width] as they lie in memory. A pass that found them to be
// views of other values adds dims, kv_len and q_view, k_view, v_view: [offset, batch, head, position].
#include "runtime/ops/attention.h"

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

// batch, heads, key/value heads, query length, key width, value width, key/value batch.
SymShape dims_of(const Attributes& attributes, const SymShape& q, const SymShape& k, const SymShape& v) {
  const auto dims = attributes.integers("dims");
  if (dims.size() == 7) return SymShape(dims.begin(), dims.end());
  if (!dims.empty() || q.size() != 4 || k.size() != 4 || v.size() != 4)
    throw core::Error(core::ErrorCode::kInvalidModel,
                      "operands must have 4 axes, or attribute 'dims' 7 entries");
  return {q[0], q[1], k[1], q[2], q[3], v[3], k[0]};
}

void infer_attention(InferContext& c) {
  const SymShape dims = dims_of(c.attributes(), c.shape(0), c.shape(1), c.shape(2));
  const bool by_position = c.attributes().integer("out_by_position", 0) != 0;
  SymShape to{dims[0], dims[1], dims[3], dims[5]};
  if (by_position) std::swap(to[1], to[2]);
  c.set(0, c.dtype(0), std::move(to));
}

// Strides of a [batch, heads, position, width] operand in its own memory.
std::vector<int64_t> own_view(LowerContext& c, ValueId operand) {
  const SymShape& shape = c.sym_shape(operand);
  const int64_t capacity = c.value(operand).capacity;
  if (capacity == 0) {
    const core::Shape size = c.static_shape(operand);
    return {0, size[1] * size[2] * size[3], size[2] * size[3], size[3]};
  }
  const int64_t width = shape[3].value();
  return {0, shape[1].value() * capacity * width, capacity * width, width};
}

struct View {
  uint32_t& offset;
  uint32_t& b;
  uint32_t& h;
  uint32_t& s;
};

void set_view(LowerContext& c, std::string_view name, size_t input, View to) {
  const bool viewed = c.attributes().has("dims");
  const auto view = viewed ? view_attribute(c.attributes(), name) : own_view(c, c.in(input));
  to.offset = narrow(view[0]);
  to.b = narrow(view[1]);
  to.h = narrow(view[2]);
  to.s = narrow(view[3]);
}

// [batch, head, query] strides of a mask that broadcasts to the scores.
void set_mask(LowerContext& c, abi::AttentionParams& p) {
  auto strides = c.attributes().integers("mask_strides");
  if (strides.empty()) {
    strides.assign(3, 0);
    const SymShape& shape = c.sym_shape(c.in(3));
    Dim step = shape.back();
    for (size_t i = 1; i < shape.size(); ++i) {
      const Dim& size = shape[shape.size() - 1 - i];
      if (!(size == Dim(1))) strides[3 - i] = c.affine(step).first;
      if (!(size == Dim(1)) && !step.is_constant())
        throw NeedsStaticShape(core::ErrorCode::kInvalidModel, "the mask's rows differ in length");
      step = step * size;
    }
  }
  p.mask_b = narrow(strides[0]);
  p.mask_h = narrow(strides[1]);
  p.mask_q = narrow(strides[2]);
}

uint32_t flags_of(LowerContext& c) {
  const auto set = [&](std::string_view name) { return c.attributes().integer(name, 0) != 0; };
  return (set("causal") ? abi::kAttentionCausal : 0) |
         (set("causal_lengths") ? abi::kAttentionCausalLengths : 0) | (c.has(3) ? abi::kAttentionMask : 0) |
         (c.has(4) ? abi::kAttentionRows : 0) | (c.has(5) ? abi::kAttentionLengths : 0);
}

void lower_attention(LowerContext& c) {
  const Attributes& attributes = c.attributes();
  const SymShape sizes =
      dims_of(attributes, c.sym_shape(c.in(0)), c.sym_shape(c.in(1)), c.sym_shape(c.in(2)));
  core::Shape dims;
  for (const Dim& dim : sizes) dims.push_back(c.affine(dim).first);
  if (!core::is_static(sizes))
    throw NeedsStaticShape(core::ErrorCode::kInvalidModel, "attention over open sizes");
  if (core::element_count(c.static_shape(c.out(0))) == 0) return;
  abi::AttentionParams p{};
  p.batch = narrow(dims[0]);
  p.heads = narrow(dims[1]);
  p.kv_heads = narrow(dims[2]);
  p.q_len = narrow(dims[3]);
  p.head_dim = narrow(dims[4]);
  p.v_dim = narrow(dims[5]);
  p.batch_step = dims[6] > 0 ? narrow(dims[0] / dims[6]) : 1;
  const Dim keys =
      attributes.has("kv_len") ? Dim::parse(attributes.text("kv_len", "0")) : c.sym_shape(c.in(1))[2];
  const auto [base, past] = c.affine(keys);
  p.kv_len = narrow(base);
  p.kv_len_dyn = narrow(past);
  p.scale = attributes.real("scale", 1.0f);
  p.softcap = attributes.real("softcap", 0.0f);
  p.window = narrow(attributes.integer("window", 0));
  p.new_keys = narrow(attributes.integer("new_keys", dims[3]));
  p.flags = flags_of(c);
  set_view(c, "q_view", 0, {p.q_offset, p.q_b, p.q_h, p.q_s});
  set_view(c, "k_view", 1, {p.k_offset, p.k_b, p.k_h, p.k_s});
  set_view(c, "v_view", 2, {p.v_offset, p.v_b, p.v_h, p.v_s});
  const bool by_position = attributes.integer("out_by_position", 0) != 0;
  p.o_h = by_position ? p.v_dim : p.q_len * p.v_dim;
  p.o_s = by_position ? p.heads * p.v_dim : p.v_dim;
  p.o_b = p.heads * p.q_len * p.v_dim;
  if (c.has(3)) set_mask(c, p);
  if (c.has(4)) p.batch_step = narrow(c.static_shape(c.in(4))[1]);
  const auto given = [&](size_t i) { return c.read(c.has(i) ? c.in(i) : c.in(0)); };
  auto& lowered = c.emit("attention", {c.dtype(0), {}}, p,
                         {given(0), given(1), given(2), given(3), given(4), c.write(c.out(0)), given(5)},
                         {p.q_len, p.heads, p.batch});
  lowered.call.uses_state = p.kv_len_dyn != 0;
}

}  // namespace

void register_attention(OpRegistry& registry) {
  registry.add({std::string(kAttention), "vulcap", infer_attention, lower_attention});
}

}  // namespace vulcap::ops
