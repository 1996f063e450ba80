// Rows and builders of the kernels that move elements by index, pick or accumulate them.
#include <algorithm>

#include "tests/kernels/builder.h"
#include "tests/kernels/families.h"

namespace vulcap::testing {
namespace {

using core::DType;
using List = std::vector<int64_t>;

int64_t count_of(const List& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

List row_major(const List& shape) {
  List strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// Writes one axis of the items, counted from the first of `rank`.
void set_axis(abi::GatherNdParams& p, size_t rank, size_t axis, int64_t size, int64_t x_stride,
              int64_t i_stride) {
  const size_t at = 6 - rank + axis;
  p.shape[at] = uint32_t(size);
  p.x_stride[at] = uint32_t(x_stride);
  p.i_stride[at] = uint32_t(i_stride);
}

// Items of `index` whose place along `axis` the index gives.
abi::GatherNdParams along_axis(const List& x, const List& index, size_t axis) {
  abi::GatherNdParams p{};
  std::fill(std::begin(p.shape), std::end(p.shape), 1);
  const List x_strides = row_major(x), i_strides = row_major(index);
  for (size_t i = 0; i < x.size(); ++i)
    set_axis(p, x.size(), i, index[i], i == axis ? 0 : x_strides[i], i_strides[i]);
  p.depth = 1;
  p.size[0] = uint32_t(x[axis]);
  p.stride[0] = uint32_t(x_strides[axis]);
  return p;
}

// index [.., depth]: each names the part of x behind its first `batch` + depth axes.
abi::GatherNdParams by_parts(const List& x, const List& index, size_t batch) {
  abi::GatherNdParams p{};
  std::fill(std::begin(p.shape), std::end(p.shape), 1);
  const List x_strides = row_major(x), i_strides = row_major(index);
  const size_t rows = index.size() - 1, depth = size_t(index.back()), first = batch + depth;
  const size_t rank = rows + x.size() - first;
  for (size_t i = 0; i < rows; ++i)
    set_axis(p, rank, i, index[i], i < batch ? x_strides[i] : 0, i_strides[i]);
  for (size_t i = first; i < x.size(); ++i) set_axis(p, rank, rows + i - first, x[i], x_strides[i], 0);
  p.depth = uint32_t(depth);
  for (size_t d = 0; d < depth; ++d) {
    p.size[d] = uint32_t(x[batch + d]);
    p.stride[d] = uint32_t(x_strides[batch + d]);
  }
  return p;
}

// Index values of which no two name the same element.
void make_distinct(Bytes& bytes, DType dtype, const List& index, const abi::GatherNdParams& p, int64_t axis) {
  const int64_t inner = axis < 0 ? 1 : row_major(index)[size_t(axis)];
  for (int64_t i = 0; i < count_of(index); ++i) {
    int64_t place = axis >= 0 ? i / inner % index[size_t(axis)] : i / p.depth;
    for (size_t d = p.depth; axis < 0 && d-- > size_t(i % p.depth) + 1;) place /= p.size[d];
    const int64_t size = p.size[axis < 0 ? i % p.depth : 0];
    set_element(dtype, bytes, size_t(i), double(size - 1 - place % size));
  }
}

// gather_nd, scatter_nd: x index (shapes), axis, or else batch; negative: indices from -size on; op (scatter)
void build_indexed(Row& row, Builder& builder, bool scatter) {
  const List x = row.list("x", {4, 5, 6}), index = row.list("index", {3, 5, 6});
  const int64_t axis = row.integer("axis", -1), batch = row.integer("batch", 0);
  abi::GatherNdParams p = axis >= 0 ? along_axis(x, index, size_t(axis)) : by_parts(x, index, size_t(batch));
  p.op = uint32_t(row.integer("op", 0));
  int64_t items = 1;
  for (const uint32_t size : p.shape) items *= size;
  if (builder.second() == DType::kUndefined) builder.test().call.variant.second = DType::kI64;
  const uint32_t smallest = *std::min_element(p.size, p.size + p.depth);
  builder.input(builder.storage(), size_t(count_of(x)));
  if (scatter) builder.test().call.bindings.back().written = true;
  const uint32_t places = builder.input(builder.second(), size_t(count_of(index)),
                                        row.flag("negative") ? -double(smallest) : 0.0, smallest);
  if (scatter) {
    builder.input(builder.storage(), size_t(items));
    if (p.op == abi::kScatterSet)
      make_distinct(builder.test().inputs[places], builder.second(), index, p, axis);
  } else {
    builder.output(builder.storage(), size_t(items));
  }
  if (p.op == abi::kScatterSet) builder.test().tolerance = 0;
  builder.finish(p, uint32_t(items));
}

// top_k: outer reduce inner k largest last
void build_top_k(Row& row, Builder& builder) {
  abi::TopKParams p{};
  p.outer = uint32_t(row.integer("outer", 3));
  p.reduce = uint32_t(row.integer("reduce", 7));
  p.inner = uint32_t(row.integer("inner", 1));
  p.k = uint32_t(row.integer("k", 1));
  p.flags = (row.flag("largest") ? abi::kTopKLargest : 0) | (row.flag("last") ? abi::kTopKLast : 0);
  builder.input(builder.storage(), size_t(p.outer) * p.reduce * p.inner);
  builder.output(builder.storage(), size_t(p.outer) * p.k * p.inner);
  builder.output(DType::kI64, size_t(p.outer) * p.k * p.inner);
  builder.test().tolerance = 0;
  builder.finish(p, p.outer * p.k * p.inner);
}

// cumulative: outer reduce inner exclusive reverse product
void build_cumulative(Row& row, Builder& builder) {
  abi::CumulativeParams p{};
  p.outer = uint32_t(row.integer("outer", 3));
  p.reduce = uint32_t(row.integer("reduce", 7));
  p.inner = uint32_t(row.integer("inner", 1));
  p.flags = (row.flag("exclusive") ? abi::kCumulativeExclusive : 0) |
            (row.flag("reverse") ? abi::kCumulativeReverse : 0) |
            (row.flag("product") ? abi::kCumulativeProduct : 0);
  const size_t count = size_t(p.outer) * p.reduce * p.inner;
  builder.input(builder.storage(), count);
  builder.output(builder.storage(), count);
  builder.finish(p, uint32_t(count));
}

// grid_sample: batch channels in out (depth,height,width) axes mode padding (their numbers) align
void build_grid_sample(Row& row, Builder& builder) {
  abi::GridSampleParams p{};
  p.batch = uint32_t(row.integer("batch", 2));
  p.channels = uint32_t(row.integer("channels", 3));
  const List in = row.list("in", {1, 5, 7}), out = row.list("out", {1, 4, 6});
  for (size_t i = 0; i < 3; ++i) p.in_size[i] = uint32_t(in[i]), p.out_size[i] = uint32_t(out[i]);
  p.axes = uint32_t(row.integer("axes", 2));
  p.mode = uint32_t(row.integer("mode", 0));
  p.padding = uint32_t(row.integer("padding", 0));
  p.align = row.flag("align");
  builder.test().call.variant.second = builder.storage();
  const size_t planes = size_t(p.batch) * p.channels, places = size_t(count_of(out));
  builder.input(builder.storage(), planes * size_t(count_of(in)));
  builder.input(builder.storage(), p.batch * places * p.axes, -1.3, 1.3);
  builder.output(builder.storage(), planes * places);
  builder.finish(p, uint32_t(planes * places));
}

// roi_align: regions channels in out (height,width) samples scale max half
void build_roi_align(Row& row, Builder& builder) {
  abi::RoiAlignParams p{};
  const List in = row.list("in", {9, 11}), out = row.list("out", {3, 2});
  p.batch = uint32_t(row.integer("batch", 2));
  p.regions = uint32_t(row.integer("regions", 5));
  p.channels = uint32_t(row.integer("channels", 3));
  p.in_h = uint32_t(in[0]), p.in_w = uint32_t(in[1]), p.out_h = uint32_t(out[0]), p.out_w = uint32_t(out[1]);
  p.samples = uint32_t(row.integer("samples", 0));
  p.scale = float(row.real("scale", 1));
  p.flags = (row.flag("max") ? abi::kRoiMax : 0) | (row.flag("half") ? abi::kRoiHalfPixel : 0);
  builder.input(builder.storage(), size_t(p.batch) * p.channels * p.in_h * p.in_w);
  const uint32_t regions = builder.input(builder.storage(), size_t(p.regions) * 4);
  for (size_t i = 0; i < size_t(p.regions) * 4; ++i)
    set_element(builder.storage(), builder.test().inputs[regions], i,
                (i % 4 < 2 ? 0.3 : 4.7) + double(i % 7) * 0.6);
  builder.input(DType::kI64, p.regions, 0, p.batch);
  builder.output(builder.storage(), size_t(p.regions) * p.channels * p.out_h * p.out_w);
  builder.finish(p, p.regions * p.channels * p.out_h * p.out_w);
}

// col2im: batch channels image kernel stride dilation pad (three axes each)
void build_col2im(Row& row, Builder& builder) {
  abi::Col2imParams p{};
  p.batch = uint32_t(row.integer("batch", 2));
  p.channels = uint32_t(row.integer("channels", 3));
  const List image = row.list("image", {1, 5, 6}), kernel = row.list("kernel", {1, 2, 3});
  const List stride = row.list("stride", {1, 1, 1}), dilation = row.list("dilation", {1, 1, 1});
  const List pad = row.list("pad", {0, 0, 0});
  for (size_t i = 0; i < 3; ++i) {
    p.image[i] = uint32_t(image[i]), p.kernel[i] = uint32_t(kernel[i]), p.stride[i] = uint32_t(stride[i]);
    p.dilation[i] = uint32_t(dilation[i]), p.pad[i] = int32_t(pad[i]);
    p.blocks[i] = uint32_t((image[i] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1);
  }
  const size_t planes = size_t(p.batch) * p.channels;
  builder.input(builder.storage(),
                planes * size_t(count_of(kernel)) * p.blocks[0] * p.blocks[1] * p.blocks[2]);
  builder.output(builder.storage(), planes * size_t(count_of(image)));
  builder.finish(p, uint32_t(planes * size_t(count_of(image))));
}

// det: batch n
void build_det(Row& row, Builder& builder) {
  const abi::DetParams p{uint32_t(row.integer("batch", 3)), uint32_t(row.integer("n", 3))};
  builder.input(builder.storage(), size_t(p.batch) * p.n * p.n);
  builder.output(builder.storage(), p.batch);
  builder.finish(p, p.batch);
}

constexpr const char* kRows[] = {
    "reduce op={0;2;3;4;7} outer=3 reduce=7 inner={1;5} low=0 high=3 tolerance=1e-2 "
    "storage={bf16;f64;i8;i16;u8;u16;u32;u64}",
    "reduce op={1;5;6;8;9} outer=3 reduce=7 inner=5 low=0.1 high=3 storage={bf16;f64} tolerance=1e-2",
    "reduce op={5;6;8;9} outer=3 reduce=7 low=-30 high=30 storage=f64 special tolerance=1e-12",
    "reduce op={0;2;4} reduce=0 storage=f64",
    "top_k reduce=31 k=3 {largest;last} storage={bf16;f64;i8;i16;u16;u32;u64} low=0 high=20",
    "cumulative reduce=9 inner=2 {exclusive;reverse} storage={bf16;f64;u32;u64} low=0 high=9 tolerance=1e-2",
    "scatter_nd axis=1 x=4,5,6 index=4,4,2 op={1;2;3;4} storage={bf16;f64;i8;i16;u8;u16;u32;u64} low=0 "
    "high=5 tolerance=1e-2",
    "gather_nd axis={0;1;2} x=7,8,9 index={3,5,6;1,2,9} storage={f32;f16;i64;u8} second={i64;i32} negative",
    "gather_nd axis=1 x=2,31,5 index=2,0,5",
    "gather_nd x=4,5,6 index={7,1;2,3,2;5,3} storage={f32;f16;i64;u8} negative",
    "gather_nd x=4,5,6 index={4,3,1;4,2} batch=1 second={i64;i32}",
    "gather_nd x=4,5,6,2 index=4,5,3,1 batch=2",
    "gather_nd axis=2 x=12,64,127 index=12,64,64",
    "scatter_nd axis={0;1;2} x=7,8,9 index={3,5,6;1,2,9} storage={f32;f16;i64;u8} second={i64;i32}",
    "scatter_nd x=4,5,6 index={3,1;2,3,2;5,3} storage={f32;f16;i64;u8}",
    "scatter_nd axis={0;1;2} x=4,5,6 index={3,5,6;4,4,2} op={1;2;3;4} storage={f32;f16;i64;i32} negative",
    "scatter_nd x=4,5,6 index={7,1;2,3,2;5,3} op={1;2;3;4} storage={f32;f16;i64;i32} second={i64;i32}",
    "scatter_nd x=4,5 index=0,1 op={0;1}",
    "top_k reduce={1;2;7;64;1031} {largest;last;largest last} storage={f32;f16;i32;i64;u8} low=0 high=9",
    "top_k reduce={5;33} k={2;5} inner={1;3} {largest;largest last} storage={f32;i64} low=-9 high=9",
    "top_k reduce=50257 outer=2 k=3 largest",
    "top_k reduce=19 k=19 special {largest;last} storage={f32;i64}",
    "top_k outer=0",
    "cumulative reduce={1;2;31} inner={1;3} {exclusive;reverse;exclusive reverse;outer=1} "
    "storage={f32;f16;i32;i64}",
    "cumulative reduce=9 product {exclusive;reverse} storage={f32;i64} low=-2 high=3",
    "cumulative reduce=0",
    "grid_sample mode={0;1;2} padding={0;1;2} {align;batch=1} storage=f32",
    "grid_sample mode={0;1} padding={0;1;2} axes=3 in=4,5,3 out=3,2,4 {align;batch=1}",
    "grid_sample mode=1 padding=1 storage=f16 tolerance=1e-2",
    "grid_sample batch=0",
    "roi_align samples={0;2} {max;half;max half;scale=0.5}",
    "roi_align storage=f16 samples=2 tolerance=1e-2",
    "roi_align regions=0",
    "col2im {batch=1;stride=1,2,1;dilation=1,2,1;pad=0,1,2} storage={f32;f16}",
    "col2im image=4,5,6 kernel=2,3,2 pad=1,0,1",
    "det n={1;2;3;5;8}",
    "det batch=0",
};

}  // namespace

std::span<const char* const> movement_rows() { return kRows; }

bool build_movement_case(const std::string& kernel, Row& row, Builder& builder) {
  if (kernel == "gather_nd" || kernel == "scatter_nd") {
    build_indexed(row, builder, kernel == "scatter_nd");
  } else if (kernel == "top_k") {
    build_top_k(row, builder);
  } else if (kernel == "cumulative") {
    build_cumulative(row, builder);
  } else if (kernel == "grid_sample") {
    build_grid_sample(row, builder);
  } else if (kernel == "roi_align") {
    build_roi_align(row, builder);
  } else if (kernel == "col2im") {
    build_col2im(row, builder);
  } else if (kernel == "det") {
    build_det(row, builder);
  } else {
    return false;
  }
  return true;
}

}  // namespace vulcap::testing
