#include <algorithm>
#include <numeric>

#include "tests/differential/draw.h"

namespace vulcap::test {
namespace {

using DType = core::DType;
using Types = std::vector<DType>;
using graph::Attributes;
using graph::ValueId;

const Types kAll{DType::kF32, DType::kF32, DType::kF16, DType::kF64, DType::kBF16, DType::kI64, DType::kI32,
                 DType::kI16, DType::kI8,  DType::kU64, DType::kU32, DType::kU16,  DType::kU8,  DType::kBool};
const Types kOrdered{DType::kF32, DType::kF32, DType::kF16, DType::kF64,
                     DType::kI64, DType::kI32, DType::kI8,  DType::kU8};

Attributes with(const std::string& name, graph::Attribute value) {
  Attributes attributes;
  attributes.set(name, std::move(value));
  return attributes;
}

// Counted from the front or from the back.
int64_t axis_drawn(Drawing& d, size_t rank) { return d.between(-int64_t(rank), int64_t(rank) - 1); }
size_t normal(int64_t axis, size_t rank) { return size_t(axis < 0 ? axis + int64_t(rank) : axis); }

std::vector<int64_t> permutation(Drawing& d, size_t rank) {
  std::vector<int64_t> order(rank);
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = rank; i > 1; --i) std::swap(order[i - 1], order[d.below(i)]);
  return order;
}

// Indices into an axis of that size, negative ones included.
ValueId indices(Drawing& d, int64_t size, const core::Shape& shape) {
  const bool wide = d.chance(0.5);
  core::Tensor tensor(wide ? DType::kI64 : DType::kI32, shape);
  for (size_t i = 0; i < tensor.size(); ++i) {
    const int64_t index = d.between(-size, size - 1);
    if (wide) tensor.mutable_as<int64_t>()[i] = index;
    if (!wide) tensor.mutable_as<int32_t>()[i] = int32_t(index);
  }
  return d.constant(std::move(tensor));
}

bool transpose(Drawing& d) {
  const ValueId x = d.operand(kAll);
  return d.add("Transpose", {x}, with("perm", permutation(d, d.shape(x).size())), true);
}

bool reshape(Drawing& d) {
  const ValueId x = d.operand(kAll);
  std::vector<int64_t> target;
  int64_t left = int64_t(d.tensor(x).size());
  if (left == 0) return false;
  while (left > 1 && target.size() < 4) {
    int64_t part = d.between(2, 7);
    if (left % part != 0) part = target.size() == 3 ? left : 1;
    target.push_back(part);
    left /= part;
  }
  target.push_back(d.chance(0.5) ? left : -1);
  return d.add("Reshape", {x, d.ints(target)}, {}, true);
}

bool flatten(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  return d.add("Flatten", {x}, with("axis", d.between(0, int64_t(d.shape(x).size()))), true);
}

bool squeeze(Drawing& d) {
  const ValueId x = d.operand(kAll);
  const core::Shape& shape = d.shape(x);
  std::vector<int64_t> ones;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) ones.push_back(int64_t(i));
  }
  if (ones.empty()) return false;
  return d.chance(0.3) ? d.add("Squeeze", {x}, {}, true)
                       : d.add("Squeeze", {x, d.ints({d.pick(ones)})}, {}, true);
}

bool unsqueeze(Drawing& d) {
  const ValueId x = d.operand(kAll);
  const int64_t rank = int64_t(d.shape(x).size());
  return d.add("Unsqueeze", {x, d.ints({d.between(-rank - 1, rank)})}, {}, true);
}

bool concat(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const int64_t axis = axis_drawn(d, d.shape(x).size());
  std::vector<ValueId> operands{x};
  for (int64_t more = d.between(0, 2); more > 0; --more) {
    core::Shape shape = d.shape(x);
    shape[normal(axis, shape.size())] = d.between(0, 5);
    operands.push_back(d.leaf(d.dtype(x), shape));
  }
  std::swap(operands.front(), operands[d.below(operands.size())]);
  return d.add("Concat", operands, with("axis", axis), true);
}

bool split(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const int64_t axis = axis_drawn(d, d.shape(x).size());
  const int64_t size = d.shape(x)[normal(axis, d.shape(x).size())];
  Attributes attributes = with("axis", axis);
  if (size > 1 && d.chance(0.5)) {
    attributes.set("num_outputs", int64_t(2));
    return d.add("Split", {x}, attributes, true, 2);
  }
  const int64_t first = d.between(0, size);
  return d.add("Split", {x, d.ints({first, size - first})}, attributes, true, 2);
}

bool slice(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const auto order = permutation(d, d.shape(x).size());
  std::vector<int64_t> starts, ends, axes, steps;
  for (int64_t i = d.between(1, int64_t(order.size())) - 1; i >= 0; --i) {
    const int64_t size = d.shape(x)[size_t(order[size_t(i)])];
    axes.push_back(order[size_t(i)]);
    steps.push_back(d.chance(0.25) ? -d.between(1, 3) : d.between(1, 2));
    starts.push_back(d.between(-size - 1, size + 1));
    ends.push_back(steps.back() > 0 && d.chance(0.2) ? INT64_MAX : d.between(-size - 2, size + 1));
  }
  return d.add("Slice", {x, d.ints(starts), d.ints(ends), d.ints(axes), d.ints(steps)}, {}, true);
}

bool gather(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const int64_t axis = axis_drawn(d, d.shape(x).size());
  const int64_t size = d.shape(x)[normal(axis, d.shape(x).size())];
  if (size == 0) return false;
  return d.add("Gather", {x, indices(d, size, d.shape_drawn(0, 2))}, with("axis", axis), true);
}

bool gather_elements(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const int64_t axis = axis_drawn(d, d.shape(x).size());
  core::Shape shape = d.shape(x);
  int64_t& dim = shape[normal(axis, shape.size())];
  if (dim == 0) return false;
  const int64_t size = dim;
  dim = d.between(1, 6);
  return d.add("GatherElements", {x, indices(d, size, shape)}, with("axis", axis), true);
}

bool gather_nd(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const int64_t size = d.shape(x)[0];
  if (size == 0) return false;
  const ValueId where = indices(d, size, {d.between(1, 4), 1});
  return d.dtype(where) == DType::kI64 && d.add("GatherND", {x, where}, {}, true);
}

// Without duplicate indices: their order is not defined.
bool scatter_elements(Drawing& d) {
  const ValueId x = d.operand(kAll, 1, 1);
  const int64_t size = d.shape(x)[0];
  auto order = permutation(d, size_t(size));
  order.resize(d.below(size_t(size) + 1));
  const core::Shape shape{int64_t(order.size())};
  Attributes attributes;
  if (core::dtype_is_float(d.dtype(x)) && d.chance(0.4)) attributes.set("reduction", std::string("add"));
  return d.add("ScatterElements", {x, d.ints(order), d.leaf(d.dtype(x), shape)}, attributes, true);
}

bool scatter_nd(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  const int64_t size = d.shape(x)[0];
  if (size == 0) return false;
  core::Shape updates = d.shape(x);
  updates[0] = 1;
  const ValueId index =
      d.constant(core::Tensor::from<int64_t>(DType::kI64, {1, 1}, {d.between(-size, size - 1)}));
  return d.add("ScatterND", {x, index, d.leaf(d.dtype(x), updates)}, {}, true);
}

bool pad(Drawing& d) {
  static const std::vector<std::string> kModes{"constant", "reflect", "edge", "wrap"};
  const ValueId x = d.operand(kAll, 1);
  const std::string mode = d.pick(kModes);
  const size_t rank = d.shape(x).size();
  std::vector<int64_t> pads(2 * rank);
  for (size_t i = 0; i < pads.size(); ++i) {
    const int64_t size = d.shape(x)[i % rank];
    const int64_t most = mode == "constant" ? 3 : std::clamp<int64_t>(size - 1, 0, 3);
    pads[i] = mode == "constant" && d.chance(0.1) ? -std::min<int64_t>(1, size / 2) : d.between(0, most);
  }
  std::vector<ValueId> operands{x, d.ints(pads)};
  if (mode == "constant" && d.chance(0.5)) operands.push_back(d.scalar(d.dtype(x), 1));
  return d.add("Pad", operands, with("mode", mode), true);
}

bool expand(Drawing& d) {
  const ValueId x = d.operand(kAll);
  core::Shape shape = d.shape(x);
  for (int64_t& dim : shape) {
    if (dim == 1) dim = d.between(1, 4);
  }
  if (d.chance(0.3)) shape.insert(shape.begin(), d.between(1, 3));
  return d.add("Expand", {x, d.ints(shape)}, {}, true);
}

bool tile(Drawing& d) {
  const ValueId x = d.operand(kAll, 1);
  std::vector<int64_t> repeats;
  for (size_t i = 0; i < d.shape(x).size(); ++i) repeats.push_back(d.chance(0.05) ? 0 : d.between(1, 3));
  return d.add("Tile", {x, d.ints(repeats)}, {}, true);
}

bool blocks(Drawing& d) {
  const bool to_space = d.chance(0.5);
  core::Shape shape{d.between(1, 2), d.between(1, 3), d.between(1, 3), d.between(1, 4)};
  if (to_space) shape[1] *= 4;
  if (!to_space) shape[2] *= 2, shape[3] *= 2;
  Attributes attributes = with("blocksize", int64_t(2));
  if (to_space && d.chance(0.5)) attributes.set("mode", std::string("CRD"));
  return d.add(to_space ? "DepthToSpace" : "SpaceToDepth", {d.leaf(d.pick(kAll), shape)}, attributes, true);
}

bool trilu(Drawing& d) {
  const ValueId x = d.operand(kAll, 2);
  std::vector<ValueId> operands{x};
  if (d.chance(0.6)) operands.push_back(d.scalar(DType::kI64, double(d.between(-3, 3))));
  return d.add("Trilu", operands, with("upper", d.between(0, 1)), true);
}

bool cum_sum(Drawing& d) {
  static const Types kTypes{DType::kF32, DType::kF64, DType::kI32, DType::kI64};
  const ValueId x = d.operand(kTypes, 1);
  Attributes attributes = with("exclusive", d.between(0, 1));
  attributes.set("reverse", d.between(0, 1));
  const auto axis = double(axis_drawn(d, d.shape(x).size()));
  return d.add("CumSum", {x, d.scalar(DType::kI64, axis)}, attributes, true);
}

bool top_k(Drawing& d) {
  const ValueId x = d.operand(kOrdered, 1);
  const int64_t axis = axis_drawn(d, d.shape(x).size());
  const int64_t size = d.shape(x)[normal(axis, d.shape(x).size())];
  Attributes attributes = with("axis", axis);
  if (d.chance(0.5)) attributes.set("largest", int64_t(0));
  return d.exact(x) && d.add("TopK", {x, d.ints({d.between(0, size)})}, attributes, true, 2);
}

bool arg(Drawing& d) {
  const ValueId x = d.operand(kOrdered, 1);
  Attributes attributes = with("axis", axis_drawn(d, d.shape(x).size()));
  attributes.set("keepdims", d.between(0, 1));
  if (d.chance(0.5)) attributes.set("select_last_index", int64_t(1));
  return d.exact(x) && d.add(d.chance(0.5) ? "ArgMax" : "ArgMin", {x}, attributes, true);
}

bool one_hot(Drawing& d) {
  const int64_t depth = d.between(1, 6);
  const ValueId values = d.constant(core::Tensor::from<float>(DType::kF32, {2}, {-1, 3}));
  const ValueId where = indices(d, depth + 1, d.shape_drawn(1, 3));
  return d.add("OneHot", {where, d.scalar(DType::kI64, double(depth)), values}, with("axis", int64_t(-1)),
               true);
}

}  // namespace

std::vector<Template> movement_templates() {
  return {transpose, reshape, flatten, squeeze,         unsqueeze, concat,           split,
          slice,     slice,   gather,  gather_elements, gather_nd, scatter_elements, scatter_nd,
          pad,       expand,  tile,    blocks,          trilu,     cum_sum,          top_k,
          arg,       one_hot};
}

}  // namespace vulcap::test
