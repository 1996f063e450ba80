// Operators that only name sizes or change a tensor's shape: no bytes move.
#include <algorithm>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

void infer_shape(InferContext& c) {
  const SymShape& shape = c.shape(0);
  const int64_t rank = int64_t(shape.size());
  auto bound = [&](std::string_view name, int64_t fallback) {
    const int64_t value = c.attributes().integer(name, fallback);
    return size_t(std::clamp<int64_t>(value < 0 ? value + rank : value, 0, rank));
  };
  const size_t start = bound("start", 0);
  const size_t end = std::max(start, bound("end", rank));
  Fact fact;
  fact.ints = std::vector<Dim>(shape.begin() + int64_t(start), shape.begin() + int64_t(end));
  const Dim count(int64_t(end - start));
  c.set(0, DType::kI64, {count}, std::move(fact));
}

void infer_size(InferContext& c) {
  Fact fact;
  fact.ints = std::vector<Dim>{core::product(c.shape(0))};
  c.set(0, DType::kI64, {}, std::move(fact));
}

void infer_same(InferContext& c) { c.set(0, c.dtype(0), c.shape(0), reshaped_fact(c, 0, c.shape(0))); }

void set_reshaped(InferContext& c, SymShape to) {
  if (!(core::product(to) == core::product(c.shape(0)))) {
    c.fail("cannot reshape " + core::shape_text(c.shape(0)) + " to " + core::shape_text(to));
  }
  Fact fact = reshaped_fact(c, 0, to);
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

// ONNX Reshape-21: 0 copies the input's dim (unless allowzero), one -1 is what remains.
void infer_reshape(InferContext& c) {
  const SymShape& from = c.shape(0);
  SymShape to = c.need_ints(1);
  const bool allow_zero = c.attributes().integer("allowzero", 0) != 0;
  size_t rest = SIZE_MAX;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == Dim(0) && !allow_zero) {
      if (i >= from.size()) c.fail("dim 0 at " + std::to_string(i) + " has no input dim to copy");
      to[i] = from[i];
    } else if (to[i] == Dim(-1)) {
      if (rest != SIZE_MAX) c.fail("more than one -1 in the target shape");
      rest = i;
    }
  }
  if (rest != SIZE_MAX) {
    to[rest] = Dim(1);
    const auto remaining = core::product(from).divide(core::product(to));
    if (!remaining) c.fail("cannot reshape " + core::shape_text(from) + " with the rest in one dim");
    to[rest] = *remaining;
  }
  set_reshaped(c, std::move(to));
}

void infer_flatten(InferContext& c) {
  const SymShape& from = c.shape(0);
  const int64_t value = c.attributes().integer("axis", 1);
  const size_t axis = value == int64_t(from.size()) ? from.size() : c.axis(value, from.size());
  set_reshaped(c, {core::product(from, 0, axis), core::product(from, axis)});
}

void infer_squeeze(InferContext& c) {
  const SymShape& from = c.shape(0);
  std::vector<bool> drop(from.size(), false);
  if (c.has(1)) {
    for (int64_t value : c.need_constants(1)) {
      const size_t axis = c.axis(value, from.size());
      if (!(from[axis] == Dim(1)))
        c.fail("axis " + std::to_string(axis) + " has size " + from[axis].text() + ", not 1");
      drop[axis] = true;
    }
  } else {
    for (size_t i = 0; i < from.size(); ++i) drop[i] = from[i] == Dim(1);
  }
  SymShape to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!drop[i]) to.push_back(from[i]);
  }
  set_reshaped(c, std::move(to));
}

void infer_unsqueeze(InferContext& c) {
  const SymShape& from = c.shape(0);
  const auto axes = c.need_constants(1);
  std::vector<bool> added(from.size() + axes.size(), false);
  for (int64_t value : axes) {
    const size_t axis = c.axis(value, added.size());
    if (added[axis]) c.fail("axis " + std::to_string(axis) + " is given twice");
    added[axis] = true;
  }
  SymShape to;
  size_t next = 0;
  for (bool is_new : added) to.push_back(is_new ? Dim(1) : from[next++]);
  set_reshaped(c, std::move(to));
}

// vulcap.View: what every reshaping operator becomes once its target is known.
void infer_view(InferContext& c) {
  const std::string text = c.attributes().text("to", "");
  SymShape to;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    to.push_back(Dim::parse(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  set_reshaped(c, std::move(to));
}

// vulcap.AlignAxis: the second operand with axes of size 1 behind it, so that it begins at `axis` of the
// first.
void infer_align_axis(InferContext& c) {
  const size_t rank = c.rank(0), axis = c.axis(c.attributes().integer("axis", 0), rank);
  SymShape to = c.shape(1);
  if (axis + to.size() > rank) c.fail("the second operand reaches beyond the first");
  to.resize(rank - axis, Dim(1));
  Fact fact = reshaped_fact(c, 1, to);
  c.set(0, c.dtype(1), std::move(to), std::move(fact));
}

void lower_align_axis(LowerContext& c) { c.alias(c.out(0), c.in(1)); }

void lower_alias(LowerContext& c) { c.alias(c.out(0), c.in(0)); }

// Integer values whose elements are known sizes reach kernels only when data depends on them.
void lower_sizes(LowerContext& c) {
  const Value& out = c.value(c.out(0));
  const SymShape shape = *out.shape;
  const auto ints = out.fact.ints;
  if (!ints || ints->size() != 1) {
    throw NeedsStaticShape(core::ErrorCode::kInvalidModel,
                           c.node().op + " feeds a kernel with sizes that are not constant");
  }
  const auto [base, coefficient] = c.affine(ints->front());
  abi::IotaParams p{1, int32_t(base), int32_t(coefficient), 0};
  auto& lowered = c.emit("iota", {DType::kI64, {}}, p, {c.write(c.out(0))}, {1, 1, 1});
  lowered.call.uses_state = coefficient != 0;
}

}  // namespace

void register_shape(OpRegistry& registry) {
  registry.add({"Shape", "", infer_shape, lower_sizes});
  registry.add({"Size", "", infer_size, lower_sizes});
  registry.add({"Identity", "", infer_same, lower_alias});
  registry.add({"Reshape", "", infer_reshape, lower_alias});
  registry.add({"Flatten", "", infer_flatten, lower_alias});
  registry.add({"Squeeze", "", infer_squeeze, lower_alias});
  registry.add({"Unsqueeze", "", infer_unsqueeze, lower_alias});
  registry.add({"View", "vulcap", infer_view, lower_alias});
  registry.add({"AlignAxis", "vulcap", infer_align_axis, lower_align_axis});
}

}  // namespace vulcap::ops
