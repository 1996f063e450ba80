// vulcap.Rotary, see RotaryParams in shaders/abi.h, and RotaryEmbedding-23 and com.microsoft.RotaryEmbedding,
// which are written with it. inputs: x [batch, heads, length, width] or, by_position, [batch, length, heads,
// width]; cos and sin [rows, half]; ids?. attributes: interleaved, by_position, ids_strides [batch,
// position], row_strides [batch, position], row_offset; where x is a view of a larger value also x_dims and
// x_view [offset, and strides of the first axes].
#include "runtime/ops/attention.h"
#include "runtime/ops/attention_expansion.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

SymShape x_shape(const Attributes& attributes, const SymShape& own) {
  const auto dims = attributes.integers("x_dims");
  return dims.empty() ? own : SymShape(dims.begin(), dims.end());
}

void infer_rotary(InferContext& c) {
  c.same_dtype(0, 1);
  c.same_dtype(0, 2);
  const SymShape x = x_shape(c.attributes(), c.shape(0));
  if (x.size() != 4 || c.rank(1) != 2 || !(c.shape(1) == c.shape(2)))
    c.fail("rotary embedding takes 4 axes and two equal tables");
  const Dim width = x[3], rotary = c.shape(1)[1] * Dim(2);
  if (!(width - rotary).provably_nonnegative())
    c.fail("tables for " + rotary.text() + " elements turn heads of " + width.text());
  c.set(0, c.dtype(0), x);
}

void lower_rotary(LowerContext& c) {
  const core::Shape shape = c.static_shape(c.out(0)), table = c.shape(1);
  const Attributes& attributes = c.attributes();
  const bool by_position = attributes.integer("by_position", 0) != 0;
  abi::RotaryParams p{};
  p.n = narrow(int64_t(core::element_count(shape)));
  if (p.n == 0) return;
  p.heads = narrow(shape[by_position ? 2 : 1]);
  p.positions = narrow(shape[by_position ? 1 : 2]);
  p.width = narrow(shape[3]);
  p.rows = narrow(table[0]);
  p.rotary = narrow(2 * table[1]);
  p.flags = (attributes.integer("interleaved", 0) != 0 ? abi::kRotaryInterleaved : 0) |
            (c.has(3) ? abi::kRotaryIds : 0);
  p.x_b = p.y_b = p.heads * p.positions * p.width;
  p.x_h = p.y_h = by_position ? p.width : p.positions * p.width;
  p.x_s = p.y_s = by_position ? p.heads * p.width : p.width;
  if (attributes.has("x_view")) {
    const auto view = attributes.integers("x_view");
    p.x_offset = narrow(view.at(0));
    p.x_b = narrow(view.at(1));
    p.x_h = narrow(view.at(by_position ? 3 : 2));
    p.x_s = narrow(view.at(by_position ? 2 : 3));
  }
  const auto ids = attributes.integers("ids_strides", {0, 0}),
             rows = attributes.integers("row_strides", {0, 0});
  p.ids_b = narrow(ids[0]);
  p.ids_s = narrow(ids[1]);
  p.row_b = narrow(rows[0]);
  p.row_s = narrow(rows[1]);
  p.row_offset = int32_t(attributes.integer("row_offset", 0));
  c.emit("rotary", {c.dtype(0), c.has(3) ? c.dtype(3) : DType::kUndefined}, p,
         {c.read(c.in(0)), c.read(c.in(1)), c.read(c.in(2)), c.read(c.has(3) ? c.in(3) : c.in(0)),
          c.write(c.out(0))},
         {p.n, 1, 1});
}

// x [batch, length, heads * width] or [batch, heads, length, width]; `heads` counts for the first.
ValueId turn(ExpandContext& c, const RotaryRequest& request, ValueId x, int64_t heads) {
  const SymShape shape = c.shape_of(x);
  if (shape.size() == 4) return expand_rotary(c, request, x, false);
  if (shape.size() != 3 || heads <= 0) c.fail("the input must have 4 axes, or 3 and num_heads");
  const auto width = shape[2].divide(Dim(heads));
  if (!width) c.fail(shape[2].text() + " elements are not " + std::to_string(heads) + " heads");
  return c.view(expand_rotary(c, request, c.view(x, {shape[0], shape[1], Dim(heads), *width}), true), shape);
}

RotaryRequest request_of(ExpandContext& c, size_t cos, size_t sin) {
  RotaryRequest request{c.operand(cos), c.operand(sin)};
  request.interleaved = c.attributes().integer("interleaved", 0) != 0;
  return request;
}

// RotaryEmbedding-23: X, cos, sin, position_ids?. Without ids the tables are [batch, position, half].
void expand_rotary_onnx(ExpandContext& c) {
  RotaryRequest request = request_of(c, 1, 2);
  const core::Shape x = c.static_shape(c.operand(0));
  const int64_t length = x.size() == 4 ? x[2] : x[1];
  if (c.has(3)) {
    request.ids = c.operand(3);
    request.ids_strides = {length, 1};
  } else {
    const core::Shape table = c.static_shape(request.cos);
    if (table.size() != 3 || table[1] != length)
      c.fail("without position_ids the tables must have a row a position");
    request.row_strides = {table[0] == 1 ? 0 : length, 1};
    request.cos = c.view(request.cos, {Dim(table[0] * table[1]), Dim(table[2])});
    request.sin = c.view(request.sin, {Dim(table[0] * table[1]), Dim(table[2])});
  }
  check_table_width(c, request, c.attributes().integer("rotary_embedding_dim", 0));
  c.result(0, turn(c, request, c.operand(0), c.attributes().integer("num_heads", 0)));
}

// com.microsoft: input, position_ids [1] (of the first position) or [batch, position], cos, sin [rows, half].
void expand_rotary_microsoft(ExpandContext& c) {
  RotaryRequest request = request_of(c, 2, 3);
  const core::Shape x = c.static_shape(c.operand(0));
  const int64_t length = x.size() == 4 ? x[2] : x[1];
  const bool first_only = c.rank(1) < 2;
  request.ids = c.operand(1);
  request.ids_strides = {first_only ? 0 : length, first_only ? 0 : 1};
  request.row_strides = {0, first_only ? 1 : 0};
  const int64_t rotary = c.attributes().integer("rotary_embedding_dim", 0);
  check_table_width(c, request, rotary);
  int64_t heads = c.attributes().integer("num_heads", 0);
  if (x.size() == 3 && (rotary == 0 || heads == 0)) heads = x[2] / (2 * c.static_shape(request.cos)[1]);
  c.result(0, turn(c, request, c.operand(0), heads));
}

}  // namespace

void register_rotary(OpRegistry& registry) {
  registry.add({std::string(kRotary), "vulcap", infer_rotary, lower_rotary});
  registry.add_composite("RotaryEmbedding", "", expand_rotary_onnx);
  registry.add_composite("RotaryEmbedding", "com.microsoft", expand_rotary_microsoft);
}

}  // namespace vulcap::ops
