// Elements named by index tensors: GatherElements-13, GatherND-13, ScatterElements-18, ScatterND-18,
// TensorScatter-24, ReverseSequence-10, MaxUnpool-22 and Compress-11.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

void require_index(InferContext& c, size_t input) {
  if (c.dtype(input) != DType::kI64 && c.dtype(input) != DType::kI32)
    c.fail("indices must be int32 or int64");
}

// The items of an indexed access and how each operand is walked over them.
struct IndexedSpace {
  core::Shape shape;
  std::vector<int64_t> x_strides;
  std::vector<int64_t> i_strides;
};

struct IndexedAxis {
  int64_t size;
  int64_t stride;
};

abi::GatherNdParams indexed_params(const IndexedSpace& items, const std::vector<IndexedAxis>& axes) {
  const auto space = collapse<2>(items.shape, {items.x_strides, items.i_strides});
  abi::GatherNdParams p{};
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.x_stride[i] = uint32_t(space.strides[0][i]);
    p.i_stride[i] = uint32_t(space.strides[1][i]);
  }
  p.depth = uint32_t(axes.size());
  for (size_t d = 0; d < axes.size(); ++d) {
    p.size[d] = narrow(axes[d].size);
    p.stride[d] = narrow(axes[d].stride);
  }
  return p;
}

void emit_gather_nd(LowerContext& c, ValueId x, ValueId index, ValueId y, const abi::GatherNdParams& p) {
  const uint32_t n = narrow(int64_t(core::element_count(c.static_shape(y))));
  c.emit("gather_nd", {c.value(x).dtype, c.value(index).dtype}, p, {c.read(x), c.read(index), c.write(y)},
         {n, 1, 1});
}

// x is read and written.
void emit_scatter_nd(LowerContext& c, ValueId x, ValueId index, ValueId y, const abi::GatherNdParams& p) {
  const uint32_t n = narrow(int64_t(core::element_count(c.static_shape(y))));
  c.emit("scatter_nd", {c.value(x).dtype, c.value(index).dtype}, p, {c.write(x), c.read(index), c.read(y)},
         {n, 1, 1});
}

// Items of `index` over x, whose place along `axis` the index gives.
abi::GatherNdParams along_axis(const core::Shape& x, const core::Shape& index, size_t axis) {
  IndexedSpace items{index, row_major_strides(x), row_major_strides(index)};
  const IndexedAxis indexed{x[axis], items.x_strides[axis]};
  items.x_strides[axis] = 0;
  return indexed_params(items, {indexed});
}

uint32_t reduction(const Attributes& attributes) {
  const std::string name = attributes.text("reduction", "none");
  if (name == "none") return abi::kScatterSet;
  if (name == "add") return abi::kScatterAdd;
  if (name == "mul") return abi::kScatterMul;
  if (name == "min") return abi::kScatterMin;
  if (name == "max") return abi::kScatterMax;
  throw core::Error(core::ErrorCode::kInvalidModel, "reduction '" + name + "' is not known");
}

// ---- GatherElements, ScatterElements ----
void check_elements(InferContext& c) {
  const SymShape& data = c.shape(0);
  const SymShape& index = c.shape(1);
  require_index(c, 1);
  const size_t axis = c.axis(c.attributes().integer("axis", 0), data.size());
  if (index.size() != data.size()) c.fail("indices and data differ in rank");
  for (size_t i = 0; i < data.size(); ++i) {
    if (i == axis || (data[i] - index[i]).provably_nonnegative()) continue;
    c.fail("indices " + core::shape_text(index) + " reach outside data " + core::shape_text(data));
  }
}

void infer_gather_elements(InferContext& c) {
  check_elements(c);
  Fact fact;
  fact.splat = c.in(0).fact.splat;
  c.set(0, c.dtype(0), c.shape(1), std::move(fact));
}

void lower_gather_elements(LowerContext& c) {
  const core::Shape x = c.shape(0);
  const size_t axis = normal_axis(c.attributes().integer("axis", 0), x.size());
  emit_gather_nd(c, c.in(0), c.in(1), c.out(0), along_axis(x, c.shape(1), axis));
}

void infer_scatter_elements(InferContext& c) {
  check_elements(c);
  c.same_dtype(0, 2);
  if (c.shape(2) != c.shape(1)) c.fail("updates and indices differ in shape");
  reduction(c.attributes());
  c.set(0, c.dtype(0), c.shape(0));
}

void lower_scatter_elements(LowerContext& c) {
  const core::Shape x = c.shape(0);
  const size_t axis = normal_axis(c.attributes().integer("axis", 0), x.size());
  Compose(c).copy(c.in(0), c.out(0));
  auto p = along_axis(x, c.shape(1), axis);
  p.op = reduction(c.attributes());
  emit_scatter_nd(c, c.out(0), c.in(1), c.in(2), p);
}

// ---- GatherND, ScatterND ----
struct NdAxes {
  size_t batch = 0;  // leading axes that data and indices share
  size_t depth = 0;  // axes that one index names
};

NdAxes nd_axes(InferContext& c) {
  require_index(c, 1);
  const SymShape& index = c.shape(1);
  NdAxes axes;
  axes.batch = size_t(std::max<int64_t>(c.attributes().integer("batch_dims", 0), 0));
  if (index.empty() || !index.back().is_constant()) c.fail("indices must have a last dim of known size");
  axes.depth = size_t(index.back().value());
  const bool fits = axes.batch < index.size() && axes.batch + axes.depth <= c.rank(0) && axes.depth > 0;
  if (!fits)
    c.fail("indices " + core::shape_text(index) + " do not fit data " + core::shape_text(c.shape(0)));
  if (axes.depth > 6) c.fail("an index of more than 6 numbers is not supported");
  return axes;
}

SymShape indexed_shape(InferContext& c, const NdAxes& axes) {
  SymShape to(c.shape(1).begin(), c.shape(1).end() - 1);
  to.insert(to.end(), c.shape(0).begin() + int64_t(axes.batch + axes.depth), c.shape(0).end());
  return to;
}

// Items: the indices, and behind them the elements of the part that each index names.
abi::GatherNdParams nd_params(const core::Shape& x, const core::Shape& index, const NdAxes& axes) {
  const auto strides = row_major_strides(x);
  IndexedSpace items;
  items.i_strides = row_major_strides(index);
  items.shape.assign(index.begin(), index.end() - 1);
  items.i_strides.pop_back();
  items.x_strides.assign(items.shape.size(), 0);
  std::copy_n(strides.begin(), axes.batch, items.x_strides.begin());
  const size_t first = axes.batch + axes.depth;
  items.shape.insert(items.shape.end(), x.begin() + int64_t(first), x.end());
  items.x_strides.insert(items.x_strides.end(), strides.begin() + int64_t(first), strides.end());
  items.i_strides.resize(items.shape.size(), 0);
  std::vector<IndexedAxis> indexed;
  for (size_t d = 0; d < axes.depth; ++d) indexed.push_back({x[axes.batch + d], strides[axes.batch + d]});
  return indexed_params(items, indexed);
}

void infer_gather_nd(InferContext& c) {
  const NdAxes axes = nd_axes(c);
  for (size_t i = 0; i < axes.batch; ++i) {
    if (!(c.shape(0)[i] == c.shape(1)[i]))
      c.fail("indices and data differ in batch dim " + std::to_string(i));
  }
  Fact fact;
  fact.splat = c.in(0).fact.splat;
  c.set(0, c.dtype(0), indexed_shape(c, axes), std::move(fact));
}

void lower_gather_nd(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  emit_gather_nd(c, c.in(0), c.in(1), c.out(0), nd_params(c.shape(0), c.shape(1), nd_axes(rule)));
}

void infer_scatter_nd(InferContext& c) {
  c.same_dtype(0, 2);
  const SymShape updates = indexed_shape(c, nd_axes(c));
  if (updates != c.shape(2)) c.fail("updates must have shape " + core::shape_text(updates));
  reduction(c.attributes());
  c.set(0, c.dtype(0), c.shape(0));
}

void lower_scatter_nd(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  Compose(c).copy(c.in(0), c.out(0));
  auto p = nd_params(c.shape(0), c.shape(1), nd_axes(rule));
  p.op = reduction(c.attributes());
  emit_scatter_nd(c, c.out(0), c.in(1), c.in(2), p);
}

// ---- TensorScatter: update[b, .., t, ..] goes to position write[b] + t of the cache ----
void infer_tensor_scatter(InferContext& c) {
  c.same_dtype(0, 1);
  const SymShape& cache = c.shape(0);
  const size_t axis = c.axis(c.attributes().integer("axis", -2), cache.size());
  if (axis == 0 || c.rank(1) != cache.size())
    c.fail("the update must have the cache's rank, and axis not be 0");
  const std::string mode = c.attributes().text("mode", "linear");
  if (mode != "linear" && mode != "circular") c.fail("mode '" + mode + "' is not known");
  if (c.has(2)) require_index(c, 2);
  c.set(0, c.dtype(0), cache);
}

void lower_tensor_scatter(LowerContext& c) {
  Compose make(c);
  const core::Shape cache = c.shape(0);
  const core::Shape update = c.shape(1);
  const size_t axis = normal_axis(c.attributes().integer("axis", -2), cache.size());
  make.copy(c.in(0), c.out(0));
  const ValueId start = c.has(2) ? make.cast(c.in(2), DType::kI64) : make.fill(DType::kI64, {cache[0]}, 0);
  ValueId places = make.binary("Add", make.view(start, {cache[0], 1}), make.iota(DType::kI64, update[axis]));
  if (c.attributes().text("mode", "linear") == "circular") {
    const ValueId size = make.fill(DType::kI64, {1}, double(cache[axis]));
    places =
        make.where(make.compare("GreaterOrEqual", places, size), make.binary("Sub", places, size), places);
  }
  IndexedSpace items{update, row_major_strides(cache), std::vector<int64_t>(update.size(), 0)};
  const IndexedAxis indexed{cache[axis], items.x_strides[axis]};
  items.x_strides[axis] = 0;
  items.i_strides[0] = update[axis];
  items.i_strides[axis] = 1;
  emit_scatter_nd(c, c.out(0), places, c.in(1), indexed_params(items, {indexed}));
}

// ---- ReverseSequence: y[b, t] = x[b, t < length[b] ? length[b] - 1 - t : t] ----
void infer_reverse_sequence(InferContext& c) {
  const size_t rank = c.rank(0);
  const int64_t batch = c.attributes().integer("batch_axis", 1),
                time = c.attributes().integer("time_axis", 0);
  if (rank < 2 || std::min(batch, time) != 0 || std::max(batch, time) != 1)
    c.fail("batch_axis and time_axis must be 0 and 1");
  if (c.dtype(1) != DType::kI64) c.fail("sequence_lens must be int64");
  if (c.rank(1) != 1 || !(c.shape(1)[0] == c.shape(0)[size_t(batch)]))
    c.fail("sequence_lens must have one entry a batch item");
  c.set(0, c.dtype(0), c.shape(0));
}

void lower_reverse_sequence(LowerContext& c) {
  Compose make(c);
  const core::Shape shape = c.shape(0);
  const auto batch = size_t(c.attributes().integer("batch_axis", 1));
  const size_t time = 1 - batch;
  const ValueId lengths = make.view(c.in(1), {shape[batch], 1});
  const ValueId steps = make.iota(DType::kI64, shape[time]);
  const ValueId last = make.binary("Sub", lengths, make.fill(DType::kI64, {1}, 1));
  const ValueId places =
      make.where(make.compare("Less", steps, lengths), make.binary("Sub", last, steps), steps);
  IndexedSpace items{shape, row_major_strides(shape), std::vector<int64_t>(shape.size(), 0)};
  const IndexedAxis indexed{shape[time], items.x_strides[time]};
  items.x_strides[time] = 0;
  items.i_strides[batch] = shape[time];
  items.i_strides[time] = 1;
  emit_gather_nd(c, c.in(0), places, c.out(0), indexed_params(items, {indexed}));
}

// ---- MaxUnpool: elements go back to the flat places that MaxPool took them from ----
core::Shape unpooled_shape(InferContext& c) {
  const auto kernel = c.attributes().integers("kernel_shape");
  const size_t spatial = kernel.size();
  if (c.rank(0) != spatial + 2 || c.shape(1) != c.shape(0)) c.fail("x and indices must fit kernel_shape");
  const auto strides = c.attributes().integers("strides", std::vector<int64_t>(spatial, 1));
  const auto pads = c.attributes().integers("pads", std::vector<int64_t>(2 * spatial, 0));
  core::Shape shape;
  for (size_t i = 0; i < c.rank(0); ++i) {
    if (!c.shape(0)[i].is_constant()) c.undecided("dim " + std::to_string(i) + " is not a number");
    int64_t size = c.shape(0)[i].value();
    if (i >= 2) size = (size - 1) * strides[i - 2] - pads[i - 2] - pads[i - 2 + spatial] + kernel[i - 2];
    shape.push_back(size);
  }
  return shape;
}

void infer_max_unpool(InferContext& c) {
  if (c.dtype(1) != DType::kI64) c.fail("indices must be int64");
  const core::Shape natural = unpooled_shape(c);
  SymShape to(natural.begin(), natural.end());
  if (c.has(2)) {
    to = c.need_ints(2);
    if (to.size() != natural.size() || !core::is_static(to)) c.fail("output_shape must have one entry a dim");
    for (size_t i = 0; i < to.size(); ++i) {
      if (to[i].value() < natural[i]) c.fail("output_shape is smaller than what was pooled");
    }
  }
  c.set(0, c.dtype(0), std::move(to));
}

void lower_max_unpool(LowerContext& c) {
  Compose make(c);
  InferContext rule(c.graph(), c.node());
  const core::Shape natural = unpooled_shape(rule), to = c.static_shape(c.out(0));
  const bool direct = natural == to;
  const ValueId plane = make.fill(c.dtype(0), natural, 0, direct ? c.out(0) : graph::kNoValue);
  const int64_t n = int64_t(core::element_count(c.shape(0)));
  emit_scatter_nd(c, plane, c.in(1), c.in(0),
                  indexed_params({{n}, {0}, {1}}, {{int64_t(core::element_count(natural)), 1}}));
  if (direct) return;
  make.fill(c.dtype(0), to, 0, c.out(0));
  emit_copy(c, plane, c.out(0), {natural, row_major_strides(natural), row_major_strides(to)});
}

// ---- Compress: the condition decides the size of the output ----
std::vector<int64_t> chosen(InferContext& c) {
  const core::Tensor condition = c.need_tensor(1);
  if (condition.dtype() != DType::kBool || condition.shape().size() != 1) c.fail("condition must be bool[n]");
  std::vector<int64_t> places;
  for (size_t i = 0; i < condition.size(); ++i) {
    if (condition.at_i64(i) != 0) places.push_back(int64_t(i));
  }
  return places;
}

void infer_compress(InferContext& c) {
  const Dim count(int64_t(chosen(c).size()));
  if (!c.attributes().has("axis")) return c.set(0, c.dtype(0), {count});
  SymShape to = c.shape(0);
  to[c.axis(c.attributes().integer("axis", 0), to.size())] = count;
  c.set(0, c.dtype(0), std::move(to));
}

void lower_compress(LowerContext& c) {
  Compose make(c);
  InferContext rule(c.graph(), c.node());
  const auto places = chosen(rule);
  if (places.empty()) return;
  const ValueId index =
      make.constant(core::Tensor::from<int64_t>(DType::kI64, {int64_t(places.size())}, places));
  const core::Shape shape = c.shape(0);
  const bool flat = !c.attributes().has("axis");
  const ValueId x = flat ? make.view(c.in(0), {int64_t(core::element_count(shape))}) : c.in(0);
  make.gather(x, index, flat ? 0 : normal_axis(c.attributes().integer("axis", 0), shape.size()), c.out(0));
}

}  // namespace

void register_indexing(OpRegistry& registry) {
  registry.add({"GatherElements", "", infer_gather_elements, lower_gather_elements});
  registry.add({"GatherND", "", infer_gather_nd, lower_gather_nd});
  registry.add({"ScatterElements", "", infer_scatter_elements, lower_scatter_elements});
  registry.add({"ScatterND", "", infer_scatter_nd, lower_scatter_nd});
  registry.add({"TensorScatter", "", infer_tensor_scatter, lower_tensor_scatter});
  registry.add({"ReverseSequence", "", infer_reverse_sequence, lower_reverse_sequence});
  registry.add({"MaxUnpool", "", infer_max_unpool, lower_max_unpool});
  registry.add({"Compress", "", infer_compress, lower_compress});
}

}  // namespace vulcap::ops
