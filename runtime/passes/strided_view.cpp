#include "runtime/passes/strided_view.h"

#include <numeric>
#include <optional>

namespace vulcap::passes {
namespace {

using core::Dim;

StridedView own_memory(const Matcher& m, ValueId value) {
  StridedView view;
  view.root = value;
  view.shape = m.shape(value);
  view.strides.assign(view.shape.size(), 1);
  view.known = true;
  int64_t step = 1;
  for (size_t i = view.shape.size(); i-- > 0;) {
    view.strides[i] = step;
    const bool cached_axis = m.value(value).capacity > 0 && i == 2;
    if (cached_axis) {
      step *= m.value(value).capacity;
    } else if (view.shape[i].is_constant()) {
      step *= view.shape[i].value();
    } else {
      view.known = view.known && i == 0;
    }
  }
  return view;
}

bool transpose(StridedView& view, const Node& node) {
  std::vector<int64_t> perm(view.shape.size());
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = node.attributes.integers("perm", perm);
  StridedView moved = view;
  for (size_t i = 0; i < perm.size(); ++i) {
    moved.shape[i] = view.shape[size_t(perm[i])];
    moved.strides[i] = view.strides[size_t(perm[i])];
  }
  view = std::move(moved);
  return true;
}

bool split(const Matcher& m, StridedView& view, const Node& node, ValueId part) {
  const int64_t value = node.attributes.integer("axis", 0);
  const size_t axis = size_t(value < 0 ? value + int64_t(view.shape.size()) : value);
  for (ValueId out : node.outputs) {
    if (out == part) break;
    const Dim& size = m.shape(out)[axis];
    if (!size.is_constant()) return false;
    view.offset += size.value() * view.strides[axis];
  }
  view.shape = m.shape(part);
  return true;
}

bool slice(const Matcher& m, StridedView& view, const Node& node) {
  const core::SymShape to = m.shape(node.outputs[0]);
  auto constants = [&](size_t i) { return m.value(node.inputs[i]).constant; };
  const auto starts = constants(1);
  if (!starts || node.input(3) == kNoValue || !constants(3)) return false;
  if (node.input(4) != kNoValue && !m.is_splat(node.inputs[4], 1, 0)) return false;
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t axis = constants(3)->at_i64(i);
    if (axis < 0) axis += int64_t(to.size());
    const Dim& size = view.shape[size_t(axis)];
    int64_t start = starts->at_i64(i);
    if (start != 0 && !size.is_constant()) return false;
    if (start < 0) start = std::max<int64_t>(0, start + size.value());
    if (start != 0) view.offset += std::min(start, size.value()) * view.strides[size_t(axis)];
  }
  view.shape = to;
  return true;
}

}  // namespace

namespace {

// Axes of a reshape: the next one on both sides.
struct Axes {
  size_t from = 0;
  size_t to = 0;
};

// The shortest runs of axes on both sides with equal element counts, from `begin` on; nothing when a size on
// the way is not a number.
std::optional<Axes> equal_runs(const core::SymShape& from, const core::SymShape& to, const Axes& begin) {
  Axes end = begin;
  int64_t from_count = 1;
  int64_t to_count = 1;
  do {
    const bool take_from = end.from < from.size() && (from_count <= to_count || end.to == to.size());
    if (!take_from && end.to == to.size()) return std::nullopt;
    const Dim& size = take_from ? from[end.from++] : to[end.to++];
    if (!size.is_constant()) return std::nullopt;
    (take_from ? from_count : to_count) *= size.value();
  } while (from_count != to_count);
  return from_count == 0 ? std::nullopt : std::optional(end);
}

// The stride of a run of axes that are walked as one; nothing when they cannot be.
std::optional<int64_t> stride_of_run(const StridedView& view, size_t begin, size_t end) {
  int64_t step = 0;
  int64_t expected = -1;
  for (size_t i = end; i-- > begin;) {
    const int64_t size = view.shape[i].value();
    if (size == 1) continue;
    if (expected >= 0 && view.strides[i] != expected) return std::nullopt;
    if (expected < 0) step = view.strides[i];
    expected = view.strides[i] * size;
  }
  return step;
}

}  // namespace

bool reshape_view(StridedView& view, const core::SymShape& to) {
  std::vector<int64_t> strides(to.size(), 0);
  Axes at;
  while (at.from < view.shape.size() || at.to < to.size()) {
    const bool same = at.from < view.shape.size() && at.to < to.size() && view.shape[at.from] == to[at.to];
    if (same) {  // whatever its size
      strides[at.to++] = view.strides[at.from++];
      continue;
    }
    const auto end = equal_runs(view.shape, to, at);
    const auto step = end ? stride_of_run(view, at.from, end->from) : std::nullopt;
    if (!step) return false;
    int64_t inner = *step;
    for (size_t i = end->to; i-- > at.to;) {
      strides[i] = inner;
      inner *= to[i].value();
    }
    at = *end;
  }
  view.shape = to;
  view.strides = std::move(strides);
  return true;
}

StridedView strided_view(const Matcher& m, ValueId value) {
  const Node* node = m.producer(value);
  const bool moves = node != nullptr && (node->is("View", "vulcap") || node->is("Transpose") ||
                                         node->is("Split") || node->is("Slice") || node->is("Identity"));
  if (!moves || m.value(value).capacity > 0) return own_memory(m, value);
  StridedView view = strided_view(m, node->inputs[0]);
  bool ok = view.known;
  if (ok && node->is("View", "vulcap")) ok = reshape_view(view, m.shape(value));
  if (ok && node->is("Transpose")) ok = transpose(view, *node);
  if (ok && node->is("Split")) ok = split(m, view, *node, value);
  if (ok && node->is("Slice")) ok = slice(m, view, *node);
  return ok ? view : own_memory(m, value);
}

}  // namespace vulcap::passes
