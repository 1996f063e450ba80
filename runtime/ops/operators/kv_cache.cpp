// Keys and values of earlier positions. vulcap.KvAppend: new ones written behind those of a cache with room.
// vulcap.KvUpdate: the same where each batch entry has a length of its own.
#include "runtime/ops/attention.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// inputs: past [batch, heads, past, width] with capacity, source of the new positions; length: how many,
// view: how to read the source; rows: of the batch, when the cache has more.
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
  const auto view = c.attributes().integers("view");
  if (view.size() != 4) c.fail("attribute 'view' must be [offset, batch, head, position]");
  const int64_t batch = c.attributes().integer("rows", shape[0].value());
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

// inputs: past [batch, heads, past, width], new [batch, heads, new, width], lengths? i32[batch]: positions
// that are valid behind the update, 0 being the first of past; without it new positions go to the front.
// total: positions of the output.
void infer_update(InferContext& c) {
  SymShape to = c.shape(0);
  if (to.size() != 4 || c.rank(1) != 4) c.fail("a cache has the axes batch, heads, position and width");
  to[2] = Dim(c.attributes().integer("total", 0));
  c.set(0, c.dtype(0), std::move(to));
}

void lower_update(LowerContext& c) {
  const core::Shape past = c.shape(0), fresh = c.shape(1);
  abi::KvUpdateParams p{};
  p.heads = narrow(past[1]);
  p.width = narrow(past[3]);
  p.past_len = p.past_h = narrow(past[2]);
  p.count = p.y_h = narrow(c.attributes().integer("total", 0));
  p.new_len = narrow(fresh[2]);
  p.x_s = p.width;
  p.x_h = p.new_len * p.x_s;
  p.x_b = p.heads * p.x_h;
  p.flags = c.has(2) ? abi::kKvLengths : 0;
  p.n = narrow(past[0]) * p.heads * p.count * p.width;
  c.emit("kv_update", {c.dtype(0), {}}, p,
         {c.read(c.in(1)), c.read(past[2] > 0 ? c.in(0) : c.in(1)), c.read(c.has(2) ? c.in(2) : c.in(1)),
          c.write(c.out(0))},
         {p.n, 1, 1});
}

}  // namespace

void register_kv_cache(OpRegistry& registry) {
  registry.add({std::string(kKvAppend), "vulcap", infer_append, lower_append});
  registry.add({std::string(kKvUpdate), "vulcap", infer_update, lower_update});
}

}  // namespace vulcap::ops
