// Images sampled at computed places and put together again: GridSample-22, AffineGrid-20, RoiAlign-22,
// Col2Im-18; and Det-22.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

constexpr std::string_view kNames[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kPaddings[] = {"zeros", "border", "reflection"};

template <size_t N>
uint32_t index_of(const std::string_view (&names)[N], const std::string& name, std::string_view what) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names))
    throw core::Error(core::ErrorCode::kInvalidModel, std::string(what) + " '" + name + "' is not known");
  return uint32_t(found - std::begin(names));
}

uint32_t sample_mode(const Attributes& attributes) {
  std::string mode = attributes.text("mode", "linear");
  if (mode.starts_with("bi")) mode.erase(0, 2);  // bilinear, bicubic before opset 20
  return index_of(kNames, mode, "mode");
}

// ---- GridSample ----
void infer_grid_sample(InferContext& c) {
  const SymShape& x = c.shape(0);
  const SymShape& grid = c.shape(1);
  const size_t axes = x.size() < 2 ? 0 : x.size() - 2;
  if ((axes != 2 && axes != 3) || grid.size() != x.size()) c.fail("only images of 2 or 3 axes are supported");
  if (!(grid.back() == Dim(int64_t(axes))) || !(grid[0] == x[0])) c.fail("the grid does not fit the image");
  sample_mode(c.attributes());
  index_of(kPaddings, c.attributes().text("padding_mode", "zeros"), "padding_mode");
  SymShape to{x[0], x[1]};
  to.insert(to.end(), grid.begin() + 1, grid.end() - 1);
  c.set(0, c.dtype(0), std::move(to));
}

void lower_grid_sample(LowerContext& c) {
  Compose make(c);
  const core::Shape x = c.shape(0), grid = c.shape(1);
  abi::GridSampleParams p{};
  p.batch = narrow(x[0]);
  p.channels = narrow(x[1]);
  p.axes = uint32_t(x.size() - 2);
  p.in_size[0] = p.out_size[0] = 1;
  for (size_t k = 0; k < p.axes; ++k) {
    p.in_size[3 - p.axes + k] = narrow(x[2 + k]);
    p.out_size[3 - p.axes + k] = narrow(grid[1 + k]);
  }
  p.mode = sample_mode(c.attributes());
  p.padding = index_of(kPaddings, c.attributes().text("padding_mode", "zeros"), "padding_mode");
  p.align = c.attributes().integer("align_corners", 0) != 0;
  const ValueId places = make.cast(c.in(1), c.dtype(0));
  c.emit("grid_sample", {c.dtype(0), c.dtype(0)}, p, {c.read(c.in(0)), c.read(places), c.write(c.out(0))},
         {narrow(int64_t(core::element_count(c.static_shape(c.out(0))))), 1, 1});
}

// ---- AffineGrid: the places of an upright grid, multiplied by a matrix for each batch item ----
void infer_affine_grid(InferContext& c) {
  const auto size = c.need_constants(1);
  const auto axes = int64_t(size.size()) - 2;
  if (axes != 2 && axes != 3) c.fail("size must be [batch, channels, (depth,) height, width]");
  if (c.shape(0) != SymShape{Dim(size[0]), Dim(axes), Dim(axes + 1)})
    c.fail("theta must be [batch, axes, axes + 1]");
  SymShape to{Dim(size[0])};
  for (size_t i = 2; i < size.size(); ++i) to.emplace_back(size[i]);
  to.emplace_back(axes);
  c.set(0, c.dtype(0), std::move(to));
}

// Homogeneous places [axes + 1, n], the last image axis first.
core::Tensor upright_places(const std::vector<int64_t>& size, bool align) {
  const size_t axes = size.size() - 2;
  int64_t n = 1;
  for (size_t i = 0; i < axes; ++i) n *= size[2 + i];
  std::vector<float> values(size_t(n) * (axes + 1), 1.0f);
  for (int64_t place = 0; place < n; ++place) {
    int64_t rest = place;
    for (size_t k = 0; k < axes; ++k) {
      const int64_t length = size[size.size() - 1 - k];
      const double at = double(rest % length);
      rest /= length;
      const double steps = align ? std::max<double>(1, double(length - 1)) : double(length);
      values[k * size_t(n) + size_t(place)] = float((2 * at + (align ? 0 : 1)) / steps - 1);
    }
  }
  return core::Tensor::from<float>(DType::kF32, {int64_t(axes) + 1, n}, values);
}

void lower_affine_grid(LowerContext& c) {
  Compose make(c);
  const auto size = c.constants(1);
  const core::Tensor places = upright_places(size, c.attributes().integer("align_corners", 0) != 0);
  const int64_t batch = size[0], rows = places.shape()[0], n = places.shape()[1];
  const ValueId grid = make.cast(make.constant(places.reshaped({1, rows, n})), c.dtype(0));
  const ValueId moved = make.matmul(c.in(0), make.expand(grid, {batch, rows, n}));
  c.alias(c.out(0), make.permute(moved, {0, 2, 1}));
}

// ---- RoiAlign ----
void infer_roi_align(InferContext& c) {
  if (c.rank(0) != 4 || c.rank(1) != 2 || c.rank(2) != 1 || c.dtype(2) != DType::kI64)
    c.fail("the operands must be x [n, c, h, w], rois [r, 4] and int64 batch_indices [r]");
  const auto height = c.attributes().integer("output_height", 1),
             width = c.attributes().integer("output_width", 1);
  c.set(0, c.dtype(0), {c.shape(1)[0], c.shape(0)[1], Dim(height), Dim(width)});
}

void lower_roi_align(LowerContext& c) {
  const core::Shape x = c.shape(0), to = c.static_shape(c.out(0));
  abi::RoiAlignParams p{};
  p.regions = narrow(to[0]), p.channels = narrow(to[1]), p.out_h = narrow(to[2]), p.out_w = narrow(to[3]);
  p.batch = narrow(x[0]), p.in_h = narrow(x[2]), p.in_w = narrow(x[3]);
  p.samples = narrow(std::max<int64_t>(0, c.attributes().integer("sampling_ratio", 0)));
  p.scale = c.attributes().real("spatial_scale", 1.0f);
  if (c.attributes().text("mode", "avg") == "max") p.flags |= abi::kRoiMax;
  if (c.attributes().text("coordinate_transformation_mode", "half_pixel") == "half_pixel")
    p.flags |= abi::kRoiHalfPixel;
  c.emit("roi_align", {c.dtype(0), {}}, p,
         {c.read(c.in(0)), c.read(c.in(1)), c.read(c.in(2)), c.write(c.out(0))},
         {narrow(int64_t(core::element_count(to))), 1, 1});
}

// ---- Col2Im ----
abi::Col2imParams col2im_params(InferContext& c) {
  const auto image = c.need_constants(1), kernel = c.need_constants(2);
  const size_t axes = image.size();
  if (axes == 0 || axes > 3 || kernel.size() != axes) c.fail("only images of 1 to 3 axes are supported");
  const auto ones = std::vector<int64_t>(axes, 1);
  const auto strides = c.attributes().integers("strides", ones);
  const auto dilations = c.attributes().integers("dilations", ones);
  const auto pads = c.attributes().integers("pads", std::vector<int64_t>(2 * axes, 0));
  abi::Col2imParams p{};
  for (size_t i = 0; i < 3; ++i) p.image[i] = p.kernel[i] = p.blocks[i] = p.stride[i] = p.dilation[i] = 1;
  for (size_t i = 0; i < axes; ++i) {
    const size_t at = 3 - axes + i;
    const int64_t reach = image[i] + pads[i] + pads[i + axes] - dilations[i] * (kernel[i] - 1) - 1;
    if (kernel[i] <= 0 || strides[i] <= 0 || reach < 0) c.fail("the kernel does not fit the image");
    p.image[at] = narrow(image[i]);
    p.kernel[at] = narrow(kernel[i]);
    p.stride[at] = narrow(strides[i]);
    p.dilation[at] = narrow(dilations[i]);
    p.pad[at] = int32_t(pads[i]);
    p.blocks[at] = narrow(reach / strides[i] + 1);
  }
  return p;
}

void infer_col2im(InferContext& c) {
  const auto p = col2im_params(c);
  const SymShape& x = c.shape(0);
  const int64_t kernel = int64_t(p.kernel[0]) * p.kernel[1] * p.kernel[2];
  const int64_t blocks = int64_t(p.blocks[0]) * p.blocks[1] * p.blocks[2];
  const auto channels = x.size() == 3 ? x[1].divide(Dim(kernel)) : std::nullopt;
  if (!channels || !(x[2] == Dim(blocks)))
    c.fail("the operand must be [batch, channels * " + std::to_string(kernel) + ", " +
           std::to_string(blocks) + "]");
  SymShape to{x[0], *channels};
  for (const Dim& dim : c.need_ints(1)) to.push_back(dim);
  c.set(0, c.dtype(0), std::move(to));
}

void lower_col2im(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  auto p = col2im_params(rule);
  const core::Shape to = c.static_shape(c.out(0));
  p.batch = narrow(to[0]);
  p.channels = narrow(to[1]);
  c.emit("col2im", {c.dtype(0), {}}, p, {c.read(c.in(0)), c.write(c.out(0))},
         {narrow(int64_t(core::element_count(to))), 1, 1});
}

// ---- Det ----
void infer_det(InferContext& c) {
  SymShape to = c.shape(0);
  if (to.size() < 2 || !(to.back() == to[to.size() - 2])) c.fail("the operand must hold square matrices");
  to.resize(to.size() - 2);
  c.set(0, c.dtype(0), std::move(to));
}

void lower_det(LowerContext& c) {
  Compose make(c);
  const core::Shape to = c.static_shape(c.out(0));
  const bool real = c.dtype(0) == DType::kF32 || c.dtype(0) == DType::kF64;
  const DType dtype = real ? c.dtype(0) : DType::kF32;
  const ValueId matrices = real ? make.copy(c.in(0)) : make.cast(c.in(0), dtype);
  const ValueId result = real ? c.out(0) : c.temp(dtype, to);
  const abi::DetParams p{narrow(int64_t(core::element_count(to))), narrow(c.shape(0).back())};
  c.emit("det", {dtype, {}}, p, {c.write(matrices), c.write(result)}, {p.batch, 1, 1});
  if (!real) make.cast(result, c.dtype(0), c.out(0));
}

}  // namespace

void register_sampling(OpRegistry& registry) {
  registry.add({"GridSample", "", infer_grid_sample, lower_grid_sample});
  registry.add({"AffineGrid", "", infer_affine_grid, lower_affine_grid});
  registry.add({"RoiAlign", "", infer_roi_align, lower_roi_align});
  registry.add({"Col2Im", "", infer_col2im, lower_col2im});
  registry.add({"Det", "", infer_det, lower_det});
}

}  // namespace vulcap::ops
