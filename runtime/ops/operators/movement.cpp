// Operators that move elements without changing them: all lower to the strided `copy` kernel or to a view.
#include "runtime/ops/movement.h"

#include <algorithm>
#include <numeric>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// ---- Transpose ----
std::vector<int64_t> permutation(const Attributes& attributes, size_t rank) {
  std::vector<int64_t> reversed(rank);
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  return attributes.integers("perm", reversed);
}

void infer_transpose(InferContext& c) {
  const SymShape& from = c.shape(0);
  const auto perm = permutation(c.attributes(), from.size());
  std::vector<bool> seen(from.size(), false);
  if (perm.size() != from.size())
    c.fail("perm has " + std::to_string(perm.size()) + " entries for rank " + std::to_string(from.size()));
  SymShape to;
  for (int64_t axis : perm) {
    if (axis < 0) c.fail("perm has the negative entry " + std::to_string(axis));
    const size_t at = c.axis(axis, from.size());
    if (seen[at]) c.fail("perm names axis " + std::to_string(at) + " twice");
    seen[at] = true;
    to.push_back(from[at]);
  }
  Fact fact;
  fact.splat = c.in(0).fact.splat;
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

void lower_transpose(LowerContext& c) {
  const core::Shape from = c.shape(0);
  const auto perm = permutation(c.attributes(), from.size());
  const auto strides = row_major_strides(from);
  StridedCopy copy;
  for (int64_t axis : perm) {
    const size_t at = size_t(axis < 0 ? axis + int64_t(from.size()) : axis);
    copy.shape.push_back(from[at]);
    copy.in_strides.push_back(strides[at]);
  }
  copy.out_strides = row_major_strides(copy.shape);
  if (is_contiguous(copy.shape, copy.in_strides)) return c.alias(c.out(0), c.in(0));
  emit_copy(c, c.in(0), c.out(0), copy);
}

// ---- Expand, Tile ----
std::optional<graph::AffineIndex> expanded(const InferContext& c,
                                           const std::optional<graph::AffineIndex>& form, size_t rank) {
  if (!form) return std::nullopt;
  graph::AffineIndex result = broadcastable(*form, c.shape(0));
  result.coefficients.insert(result.coefficients.begin(), rank - c.rank(0), 0);
  return result;
}

void infer_expand(InferContext& c) {
  SymShape to = broadcast(c.shape(0), c.need_ints(1));
  Fact fact;
  fact.splat = c.splat(0);
  fact.at_most_zero = expanded(c, c.in(0).fact.at_most_zero, to.size());
  fact.affine = expanded(c, c.in(0).fact.affine, to.size());
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

void lower_expand(LowerContext& c) {
  const core::Shape to = c.static_shape(c.out(0));
  const core::Shape from = c.shape(0);
  if (core::element_count(to) == core::element_count(from)) return c.alias(c.out(0), c.in(0));
  emit_copy(c, c.in(0), c.out(0), {to, broadcast_strides(from, to), row_major_strides(to)});
}

void infer_tile(InferContext& c) {
  SymShape to = c.shape(0);
  const auto repeats = c.need_ints(1);
  if (repeats.size() != to.size()) c.fail("repeats must have one entry a dim");
  for (size_t i = 0; i < to.size(); ++i) to[i] = to[i] * repeats[i];
  Fact fact;
  fact.splat = c.splat(0);
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

// Each axis becomes (repeat, size) with stride 0 over the repeats.
void lower_tile(LowerContext& c) {
  const core::Shape from = c.shape(0);
  const auto repeats = c.constants(1);
  const auto strides = row_major_strides(from);
  StridedCopy copy;
  for (size_t i = 0; i < from.size(); ++i) {
    copy.shape.insert(copy.shape.end(), {repeats[i], from[i]});
    copy.in_strides.insert(copy.in_strides.end(), {0, strides[i]});
  }
  copy.out_strides = row_major_strides(copy.shape);
  emit_copy(c, c.in(0), c.out(0), copy);
}

// ---- Slice ----
struct SliceAxis {
  Dim start;
  int64_t step = 1;
  Dim length;
};

// A bound as ONNX clamps it: negative counts from the end, then into [0, size].
Dim clamp_bound(InferContext& c, Dim bound, const Dim& size) {
  if (bound.is_constant() && bound.value() < 0) {
    if (bound.value() < -(int64_t(1) << 31)) return Dim(0);
    bound = bound + size;
    if (bound.is_constant()) return Dim(std::max<int64_t>(bound.value(), 0));
    if (!bound.provably_nonnegative()) c.undecided("the bound " + bound.text() + " may be negative");
  }
  if (bound.is_constant() && bound.value() >= (int64_t(1) << 31) - 1) return size;
  if ((size - bound).provably_nonnegative()) return bound;
  if ((bound - size).provably_nonnegative()) return size;
  if (!bound.provably_nonnegative())
    c.undecided("the bound " + bound.text() + " may be outside a dim of size " + size.text());
  // A table of all positions is read at $past: right as long as the sequence stays inside the table.
  c.assume_nonnegative(size - bound);
  return bound;
}

SliceAxis slice_axis(InferContext& c, const Dim& start, const Dim& end, int64_t step, const Dim& size) {
  if (step == 0) c.fail("step is 0");
  if (step > 0) {
    const Dim first = clamp_bound(c, start, size);
    const Dim last = clamp_bound(c, end, size);
    Dim length = last - first;
    if (length.is_constant()) {
      length = Dim(std::max<int64_t>(0, (length.value() + step - 1) / step));
    } else if (step != 1) {
      c.fail("a step over a dim of size " + size.text() + " is not supported");
    }
    return {first, step, length};
  }
  if (!start.is_constant() || !end.is_constant() || !size.is_constant())
    c.fail("a negative step needs constant sizes");
  const int64_t n = size.value();
  auto wrap = [&](int64_t value, int64_t low, int64_t high) {
    if (value < 0) value = value < -n ? low : value + n;
    return std::clamp(value, low, high);
  };
  const int64_t first = wrap(start.value(), -1, n - 1);
  const int64_t last = end.value() < -n ? -1 : wrap(end.value(), -1, n - 1);
  return {Dim(first), step, Dim(std::max<int64_t>(0, (first - last - step - 1) / -step))};
}

std::vector<SliceAxis> slice_axes(InferContext& c) {
  const SymShape& from = c.shape(0);
  std::vector<SliceAxis> result;
  for (const Dim& size : from) result.push_back({Dim(0), 1, size});
  const auto starts = c.need_ints(1);
  const auto ends = c.need_ints(2);
  std::vector<int64_t> axes(starts.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (c.has(3)) axes = c.need_constants(3);
  const auto steps = c.has(4) ? c.need_constants(4) : std::vector<int64_t>(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
    c.fail("starts, ends, axes and steps differ in length");
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = c.axis(axes[i], from.size());
    result[axis] = slice_axis(c, starts[i], ends[i], steps[i], from[axis]);
  }
  return result;
}

std::optional<graph::AffineIndex> sliced(const std::optional<graph::AffineIndex>& form,
                                         const std::vector<SliceAxis>& axes) {
  if (!form) return std::nullopt;
  graph::AffineIndex result = *form;
  for (size_t i = 0; i < axes.size(); ++i) {
    result.base = result.base + axes[i].start * Dim(form->coefficients[i]);
    result.coefficients[i] *= axes[i].step;
  }
  return result;
}

// A constant lower-triangular bool matrix in the last two axes is the predicate column - row <= 0.
std::optional<graph::AffineIndex> triangle_form(const Value& value) {
  if (!value.constant || value.dtype != DType::kBool || value.constant->shape().size() < 2)
    return std::nullopt;
  const core::Shape& shape = value.constant->shape();
  const int64_t n = shape.back();
  if (n < 2 || shape[shape.size() - 2] != n || value.constant->size() != size_t(n * n)) return std::nullopt;
  const auto data = value.constant->as<uint8_t>();
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      if ((data[size_t(row * n + column)] != 0) != (column <= row)) return std::nullopt;
    }
  }
  graph::AffineIndex form{Dim(0), std::vector<int64_t>(shape.size(), 0)};
  form.coefficients[shape.size() - 1] = 1;
  form.coefficients[shape.size() - 2] = -1;
  return form;
}

void infer_slice(InferContext& c) {
  const auto axes = slice_axes(c);
  SymShape to;
  for (const SliceAxis& axis : axes) to.push_back(axis.length);
  Fact fact;
  fact.splat = c.in(0).fact.splat;
  const auto ints = c.ints(0);
  if (ints && axes.size() == 1 && axes[0].start.is_constant() && axes[0].length.is_constant()) {
    std::vector<Dim> part;
    for (int64_t i = 0; i < axes[0].length.value(); ++i)
      part.push_back((*ints)[size_t(axes[0].start.value() + i * axes[0].step)]);
    fact.ints = std::move(part);
  }
  fact.affine = sliced(c.in(0).fact.affine, axes);
  fact.at_most_zero =
      sliced(c.in(0).fact.at_most_zero ? c.in(0).fact.at_most_zero : triangle_form(c.in(0)), axes);
  if (fact.at_most_zero) {
    if (auto decided = decide_at_most_zero(*fact.at_most_zero, to)) fact.splat = *decided ? 1.0 : 0.0;
  }
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

void lower_slice(LowerContext& c) {
  // The shape rule has accepted the operands; it is asked again for the bounds.
  InferContext rule(c.graph(), c.node());
  const auto axes = slice_axes(rule);
  const core::Shape to = c.static_shape(c.out(0));
  const core::Shape from = c.shape(0);
  if (to == from && std::all_of(axes.begin(), axes.end(), [](const SliceAxis& a) { return a.step == 1; })) {
    return c.alias(c.out(0), c.in(0));
  }
  StridedCopy copy{to, row_major_strides(from), row_major_strides(to)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto [base, past] = c.affine(axes[i].start);
    copy.in_offset += base * copy.in_strides[i];
    copy.in_offset_dyn += past * copy.in_strides[i];
    copy.in_strides[i] *= axes[i].step;
  }
  emit_copy(c, c.in(0), c.out(0), copy);
}

// ---- Concat, Split ----
void infer_concat(InferContext& c) {
  SymShape to = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", 0), to.size());
  std::optional<std::vector<Dim>> ints = to.size() == 1 ? c.ints(0) : std::nullopt;
  for (size_t i = 1; i < c.inputs(); ++i) {
    const SymShape& shape = c.shape(i);
    if (shape.size() != to.size()) c.fail("operands differ in rank");
    c.same_dtype(0, i);
    for (size_t k = 0; k < to.size(); ++k) {
      if (k != axis && !(shape[k] == to[k]))
        c.fail("operands differ in dim " + std::to_string(k) + ": " + core::shape_text(to) + " and " +
               core::shape_text(shape));
    }
    to[axis] = to[axis] + shape[axis];
    const auto more = ints ? c.ints(i) : std::nullopt;
    if (more) {
      ints->insert(ints->end(), more->begin(), more->end());
    } else {
      ints.reset();
    }
  }
  Fact fact;
  fact.ints = std::move(ints);
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

void lower_concat(LowerContext& c) {
  const core::Shape to = c.static_shape(c.out(0));
  const int64_t rank = int64_t(to.size());
  const int64_t value = c.attributes().integer("axis", 0);
  const size_t axis = size_t(value < 0 ? value + rank : value);
  const auto out_strides = row_major_strides(to);
  int64_t at = 0;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) {
    const core::Shape from = c.shape(i);
    if (from[axis] == to[axis]) return c.alias(c.out(0), c.in(i));
    if (core::element_count(from) == 0) continue;
    StridedCopy copy{from, row_major_strides(from), out_strides};
    copy.out_offset = at * out_strides[axis];
    emit_copy(c, c.in(i), c.out(0), copy);
    at += from[axis];
  }
}

std::vector<Dim> split_sizes(InferContext& c, const Dim& size) {
  if (c.has(1)) return c.need_ints(1);
  const int64_t parts = c.attributes().integer("num_outputs", int64_t(c.outputs()));
  if (parts <= 0 || !size.is_constant()) c.fail("cannot split a dim of size " + size.text() + " evenly");
  const int64_t each = (size.value() + parts - 1) / parts;
  std::vector<Dim> sizes;
  for (int64_t i = 0; i < parts; ++i)
    sizes.emplace_back(std::clamp<int64_t>(size.value() - i * each, 0, each));
  return sizes;
}

void infer_split(InferContext& c) {
  const SymShape from = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", 0), from.size());
  const auto sizes = split_sizes(c, from[axis]);
  if (sizes.size() != c.outputs())
    c.fail("split names " + std::to_string(sizes.size()) + " parts for " + std::to_string(c.outputs()) +
           " outputs");
  Dim sum;
  for (const Dim& size : sizes) sum = sum + size;
  if (!(sum == from[axis])) c.fail("split sizes sum to " + sum.text() + ", not " + from[axis].text());
  const auto ints = from.size() == 1 ? c.ints(0) : std::nullopt;
  size_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    SymShape to = from;
    to[axis] = sizes[i];
    Fact fact;
    fact.splat = c.in(0).fact.splat;
    if (ints && sizes[i].is_constant()) {
      fact.ints =
          std::vector<Dim>(ints->begin() + int64_t(at), ints->begin() + int64_t(at) + sizes[i].value());
      at += size_t(sizes[i].value());
    }
    c.set(i, c.dtype(0), std::move(to), std::move(fact));
  }
}

void lower_split(LowerContext& c) {
  const core::Shape from = c.shape(0);
  const int64_t value = c.attributes().integer("axis", 0);
  const size_t axis = size_t(value < 0 ? value + int64_t(from.size()) : value);
  const auto in_strides = row_major_strides(from);
  int64_t at = 0;
  for (size_t i = 0; i < c.node().outputs.size(); ++i) {
    const core::Shape to = c.static_shape(c.out(i));
    StridedCopy copy{to, in_strides, row_major_strides(to)};
    copy.in_offset = at * in_strides[axis];
    if (core::element_count(to) > 0) emit_copy(c, c.in(0), c.out(i), copy);
    at += to[axis];
  }
}

}  // namespace

bool is_contiguous(const core::Shape& shape, const std::vector<int64_t>& strides) {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

namespace {

// Axes that remain once neighbours that both sides walk in one stride are merged.
size_t merged_rank(const StridedCopy& copy) {
  size_t rank = 0, last = SIZE_MAX;
  for (size_t i = 0; i < copy.shape.size(); ++i) {
    if (copy.shape[i] == 1) continue;
    const bool merges = last != SIZE_MAX && copy.in_strides[last] == copy.in_strides[i] * copy.shape[i] &&
                        copy.out_strides[last] == copy.out_strides[i] * copy.shape[i];
    rank += !merges;
    last = i;
  }
  return rank;
}

// The copy as one for each place along its shortest axis, so that each walks an axis less.
void emit_parts(LowerContext& c, ValueId from, ValueId to, const StridedCopy& copy) {
  size_t axis = SIZE_MAX;
  for (size_t i = 0; i < copy.shape.size(); ++i) {
    if (copy.shape[i] != 1 && (axis == SIZE_MAX || copy.shape[i] < copy.shape[axis])) axis = i;
  }
  for (int64_t place = 0; place < copy.shape[axis]; ++place) {
    StridedCopy part = copy;
    part.shape[axis] = 1;
    part.in_offset += place * copy.in_strides[axis];
    part.out_offset += place * copy.out_strides[axis];
    emit_copy(c, from, to, part);
  }
}

}  // namespace

void emit_copy(LowerContext& c, ValueId from, ValueId to, const StridedCopy& copy) {
  if (merged_rank(copy) > abi::kMaxRank) return emit_parts(c, from, to, copy);
  const auto space = collapse<2>(copy.shape, {copy.in_strides, copy.out_strides});
  abi::CopyParams p{};
  p.n = space.n;
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.in_stride[i] = space.strides[0][i];
    p.out_stride[i] = space.strides[1][i];
  }
  p.in_offset = int32_t(copy.in_offset);
  p.in_offset_dyn = int32_t(copy.in_offset_dyn);
  p.out_offset = int32_t(copy.out_offset);
  p.out_offset_dyn = int32_t(copy.out_offset_dyn);
  auto& lowered = c.emit("copy", {c.value(from).dtype, {}}, p, {c.read(from), c.write(to)}, {p.n, 1, 1});
  lowered.call.uses_state = p.in_offset_dyn != 0 || p.out_offset_dyn != 0;
}

void register_movement(OpRegistry& registry) {
  registry.add({"Transpose", "", infer_transpose, lower_transpose});
  registry.add({"Expand", "", infer_expand, lower_expand});
  registry.add({"Tile", "", infer_tile, lower_tile});
  registry.add({"Slice", "", infer_slice, lower_slice});
  registry.add({"Concat", "", infer_concat, lower_concat});
  registry.add({"Split", "", infer_split, lower_split});
}

}  // namespace vulcap::ops
