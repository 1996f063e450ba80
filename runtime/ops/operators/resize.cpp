// Resize-19, one axis after another: a gather where each output is one element, else weighted sums.
#include <algorithm>
#include <cmath>

#include "runtime/ops/compose.h"
#include "runtime/ops/resize_table.h"
#include "runtime/ops/shape_rules.h"
#include "runtime/ops/window.h"

namespace vulcap::ops {
namespace {

bool present(const InferContext& c, size_t i) {
  return c.has(i) && !(c.in(i).shape && c.rank(i) == 1 && c.shape(i)[0] == Dim(0));
}

std::vector<double> reals(const InferContext& c, size_t i) {
  const core::Tensor operand = c.need_tensor(i);
  std::vector<double> result;
  for (size_t k = 0; k < operand.size(); ++k) result.push_back(operand.at_f64(k));
  return result;
}

std::vector<size_t> resized_axes(const InferContext& c, size_t rank) {
  std::vector<size_t> axes;
  for (int64_t axis : c.attributes().integers("axes")) axes.push_back(c.axis(axis, rank));
  for (size_t i = 0; axes.size() < rank && c.attributes().integers("axes").empty(); ++i) axes.push_back(i);
  return axes;
}

// Scales from sizes: one for all axes where the aspect ratio is kept.
std::vector<ResizeAxis> axes_of_sizes(const InferContext& c, std::vector<ResizeAxis> axes,
                                      const std::vector<size_t>& which) {
  const auto sizes = c.need_constants(3);
  if (sizes.size() != which.size()) c.fail("sizes needs a number an axis");
  const std::string policy = c.attributes().text("keep_aspect_ratio_policy", "stretch");
  double common = policy == "not_larger" ? 1e300 : 0;
  for (size_t k = 0; k < sizes.size(); ++k) {
    const double scale = double(sizes[k]) / double(axes[which[k]].in);
    common = policy == "not_larger" ? std::min(common, scale) : std::max(common, scale);
  }
  for (size_t k = 0; k < sizes.size(); ++k) {
    ResizeAxis& axis = axes[which[k]];
    axis.out = policy == "stretch" ? sizes[k] : int64_t(std::floor(common * double(axis.in) + 0.5));
    axis.scale = policy == "stretch" ? double(sizes[k]) / double(axis.in) : common;
  }
  return axes;
}

std::vector<ResizeAxis> resize_axes(const InferContext& c) {
  const core::Shape shape = known_shape(c, 0);
  const auto which = resized_axes(c, shape.size());
  std::vector<ResizeAxis> axes;
  for (int64_t size : shape) axes.push_back({size, size, 1, 0, 1});
  const bool crop =
      c.attributes().text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize";
  if (crop && present(c, 1)) {
    const auto roi = reals(c, 1);
    if (roi.size() != 2 * which.size()) c.fail("roi needs two numbers an axis");
    for (size_t k = 0; k < which.size(); ++k) {
      axes[which[k]].roi_begin = roi[k];
      axes[which[k]].roi_end = roi[which.size() + k];
    }
  }
  if (present(c, 3)) return axes_of_sizes(c, std::move(axes), which);
  if (!present(c, 2)) c.fail("neither scales nor sizes are given");
  const auto scales = reals(c, 2);
  if (scales.size() != which.size()) c.fail("scales needs a number an axis");
  for (size_t k = 0; k < scales.size(); ++k) {
    if (!(scales[k] > 0)) c.fail("scales must be positive");
    ResizeAxis& axis = axes[which[k]];
    axis.scale = scales[k];
    axis.out =
        int64_t(std::floor(double(float(axis.in) * float(scales[k] * (axis.roi_end - axis.roi_begin)))));
  }
  return axes;
}

void infer_resize(InferContext& c) {
  const std::string mode = c.attributes().text("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "cubic") c.fail("mode '" + mode + "' is not known");
  SymShape to;
  for (const ResizeAxis& axis : resize_axes(c)) {
    if (axis.out < 0 || (axis.in == 0 && axis.out > 0))
      c.fail("an axis cannot grow from " + std::to_string(axis.in) + " to " + std::to_string(axis.out));
    to.emplace_back(axis.out);
  }
  c.set(0, c.dtype(0), std::move(to));
}

ResizeRule rule_of(const Attributes& a) {
  ResizeRule rule;
  rule.mode = a.text("mode", rule.mode);
  rule.coordinates = a.text("coordinate_transformation_mode", rule.coordinates);
  rule.rounding = a.text("nearest_mode", rule.rounding);
  rule.cubic_a = double(a.real("cubic_coeff_a", -0.75f));
  rule.extrapolation = double(a.real("extrapolation_value", 0));
  rule.exclude_outside = a.integer("exclude_outside", 0) != 0;
  rule.antialias = a.integer("antialias", 0) != 0;
  return rule;
}

// `to` is `from` with axis `axis` taken from the table.
void emit_axis(LowerContext& c, ValueId from, ValueId to, size_t axis, const ResizeTable& table) {
  const core::Shape shape = c.static_shape(from), result = c.static_shape(to);
  const auto outer = int64_t(core::element_count({shape.begin(), shape.begin() + int64_t(axis)}));
  const auto inner = int64_t(core::element_count({shape.begin() + int64_t(axis) + 1, shape.end()}));
  const uint32_t n = narrow(int64_t(core::element_count(result))), out = narrow(result[axis]);
  const ValueId index = Compose(c).constant(
      core::Tensor::from<int32_t>(DType::kI32, {result[axis], int64_t(table.taps)}, table.index));
  if (table.is_selection) {
    const abi::GatherParams p{n, out, narrow(inner), narrow(shape[axis]), 0, narrow(shape[axis])};
    c.emit("gather", {c.value(from).dtype, DType::kI32}, p, {c.read(from), c.read(index), c.write(to)},
           {n, 1, 1});
    return;
  }
  const ValueId weight = Compose(c).constant(
      core::Tensor::from<float>(DType::kF32, {result[axis], int64_t(table.taps) + 1}, table.weight));
  const abi::ResizeParams p{narrow(outer), narrow(shape[axis]), out, narrow(inner), uint32_t(table.taps)};
  c.emit("resize", {c.value(from).dtype, {}}, p, {c.read(from), c.read(index), c.read(weight), c.write(to)},
         {n, 1, 1});
}

void lower_resize(LowerContext& c) {
  const auto axes = resize_axes(InferContext(c.graph(), c.node()));
  const ResizeRule rule = rule_of(c.attributes());
  std::vector<std::pair<size_t, ResizeTable>> steps;
  bool selections = true;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].in == axes[i].out && axes[i].scale == 1 && axes[i].roi_begin == 0 && axes[i].roi_end == 1)
      continue;
    steps.emplace_back(i, resize_table(axes[i], rule));
    selections = selections && steps.back().second.is_selection;
  }
  const core::Shape to = c.static_shape(c.out(0));
  if (steps.empty() || core::element_count(to) == 0) return c.alias(c.out(0), c.in(0));
  const DType dtype = c.dtype(0), work = selections || core::dtype_is_float(dtype) ? dtype : DType::kF32;
  core::Shape shape = c.shape(0);
  Compose compose(c);
  ValueId value = compose.cast(c.in(0), work);
  for (const auto& [axis, table] : steps) {
    shape[axis] = to[axis];
    const bool last = &table == &steps.back().second && work == dtype;
    const ValueId next = last ? c.out(0) : c.temp(work, shape);
    emit_axis(c, value, next, axis, table);
    value = next;
  }
  if (work != dtype) compose.cast(value, dtype, c.out(0));
}

}  // namespace

void register_resize(OpRegistry& registry) { registry.add({"Resize", "", infer_resize, lower_resize}); }

}  // namespace vulcap::ops
