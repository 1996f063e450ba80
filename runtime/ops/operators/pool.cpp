// MaxPool-22, AveragePool-22, LpPool-22 and their global forms.
#include <algorithm>

#include "runtime/ops/shape_rules.h"
#include "runtime/ops/window.h"

namespace vulcap::ops {
namespace {

core::Shape spatial_of(const core::Shape& image) { return {image.begin() + 2, image.end()}; }

void infer_pool(InferContext& c) {
  const core::Shape image = known_shape(c, 0);
  if (image.size() < 3 || image.size() > 5)
    c.fail("only pools over one to three spatial axes are supported, the input has shape " +
           core::shape_text(image));
  const Window w = read_window(c.attributes(), c.attributes().integers("kernel_shape"), spatial_of(image));
  SymShape to{Dim(image[0]), Dim(image[1])};
  for (int64_t size : w.out_sizes()) to.emplace_back(size);
  c.set(0, c.dtype(0), to);
  if (c.outputs() > 1 && c.node().outputs[1] != graph::kNoValue) c.set(1, DType::kI64, std::move(to));
}

void lower_pool(LowerContext& c) {
  const core::Shape image = c.shape(0);
  const Window w = read_window(c.attributes(), c.attributes().integers("kernel_shape"), spatial_of(image));
  abi::PoolParams p{};
  set_window(p, w);
  for (size_t i = 0; i < 3; ++i) p.pad_end[i] = uint32_t(std::max<int64_t>(w.pad_end[i], 0));
  p.planes = narrow(image[0] * image[1]);
  p.op = c.node().op == "MaxPool" ? abi::kPoolMax : c.node().op == "LpPool" ? abi::kPoolLp : abi::kPoolMean;
  p.power = float(c.attributes().integer("p", 2));
  if (c.attributes().integer("count_include_pad", 0) != 0) p.flags |= abi::kPoolCountPads;
  const ValueId indices = c.out(1);
  if (indices != graph::kNoValue) p.flags |= abi::kPoolIndices;
  if (c.attributes().integer("storage_order", 0) != 0) p.flags |= abi::kPoolColumnMajor;
  c.emit("pool", {c.dtype(0), {}}, p,
         {c.read(c.in(0)), c.write(c.out(0)), c.write(indices == graph::kNoValue ? c.out(0) : indices)},
         {narrow(int64_t(p.planes) * w.positions()), 1, 1});
}

void infer_global(InferContext& c) {
  if (c.rank(0) < 2) c.fail("the input must be [batch, channels, ...]");
  if (c.node().op == "GlobalLpPool" && c.attributes().integer("p", 2) < 1) c.fail("p must be positive");
  SymShape to = c.shape(0);
  std::fill(to.begin() + 2, to.end(), Dim(1));
  c.set(0, c.dtype(0), std::move(to));
}

// One window as large as the plane: a reduction, or a pool for a power that no reduction has.
void lower_global(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const uint32_t rows = narrow(shape[0] * shape[1]);
  const uint32_t columns = narrow(int64_t(core::element_count(spatial_of(shape))));
  const int64_t power = c.node().op == "GlobalLpPool" ? c.attributes().integer("p", 2) : 0;
  if (power > 2) {
    abi::PoolParams p{
        rows, abi::kPoolLp, {1, 1, columns}, {1, 1, 1}, {1, 1, columns}, {1, 1, 1}, {1, 1, 1}, {}, {},
        0,    float(power)};
    c.emit("pool", {c.dtype(0), {}}, p, {c.read(c.in(0)), c.write(c.out(0)), c.write(c.out(0))},
           {rows, 1, 1});
    return;
  }
  const uint32_t op = power == 1                       ? abi::kReduceL1
                      : power == 2                     ? abi::kReduceL2
                      : c.node().op == "GlobalMaxPool" ? abi::kReduceMax
                                                       : abi::kReduceMean;
  c.emit("reduce", {c.dtype(0), {}}, abi::ReduceParams{rows, columns, 1, op},
         {c.read(c.in(0)), c.write(c.out(0))}, {rows, 1, 1});
}

}  // namespace

void register_pool(OpRegistry& registry) {
  for (const char* op : {"MaxPool", "AveragePool", "LpPool"}) registry.add({op, "", infer_pool, lower_pool});
  for (const char* op : {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})
    registry.add({op, "", infer_global, lower_global});
}

}  // namespace vulcap::ops
