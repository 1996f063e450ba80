// Pad-25 and CenterCropPad-18. Constant padding is a filled output with a copy inside; the other modes gather
// along one axis after another.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

struct AxisPad {
  int64_t begin = 0;  // negative: elements are cut off
  int64_t end = 0;
};

std::vector<AxisPad> read_pads(InferContext& c) {
  const size_t rank = c.rank(0);
  const auto pads = c.need_constants(1);
  std::vector<int64_t> axes;
  if (c.has(3)) {
    axes = c.need_constants(3);
  } else {
    for (size_t i = 0; i < rank; ++i) axes.push_back(int64_t(i));
  }
  if (pads.size() != 2 * axes.size()) c.fail("pads must have two entries an axis");
  std::vector<AxisPad> result(rank);
  for (size_t i = 0; i < axes.size(); ++i) result[c.axis(axes[i], rank)] = {pads[i], pads[i + axes.size()]};
  return result;
}

void infer_pad(InferContext& c) {
  const auto pads = read_pads(c);
  const std::string mode = c.attributes().text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    c.fail("mode '" + mode + "' is not known");
  SymShape to = c.shape(0);
  for (size_t i = 0; i < to.size(); ++i) {
    const Dim padded = to[i] + Dim(pads[i].begin + pads[i].end);
    if (padded.is_constant() && padded.value() < 0)
      c.fail("pads cut off more than axis " + std::to_string(i));
    const bool grows = pads[i].begin > 0 || pads[i].end > 0;
    if (mode != "constant" && grows && to[i] == Dim(0)) c.fail("nothing to repeat along an axis of size 0");
    to[i] = padded;
  }
  c.set(0, c.dtype(0), std::move(to));
}

// The part of x that remains, at its place in a y of shape `to`.
void copy_inside(LowerContext& c, ValueId x, ValueId y, const std::vector<AxisPad>& pads) {
  const core::Shape from = c.static_shape(x), to = c.static_shape(y);
  StridedCopy copy{from, row_major_strides(from), row_major_strides(to)};
  for (size_t i = 0; i < from.size(); ++i) {
    const int64_t cut = std::max<int64_t>(-pads[i].begin, 0), shift = std::max<int64_t>(pads[i].begin, 0);
    copy.shape[i] = std::max<int64_t>(0, std::min(from[i] - cut, to[i] - shift));
    copy.in_offset += cut * copy.in_strides[i];
    copy.out_offset += shift * copy.out_strides[i];
  }
  if (core::element_count(copy.shape) > 0) emit_copy(c, x, y, copy);
}

bool grows(const std::vector<AxisPad>& pads) {
  return std::any_of(pads.begin(), pads.end(), [](const AxisPad& p) { return p.begin > 0 || p.end > 0; });
}

// Every element of y becomes the number in `value`, or 0 when there is none.
void fill_with(LowerContext& c, ValueId value, ValueId y) {
  Compose make(c);
  const DType dtype = c.value(y).dtype;
  const core::Shape shape = c.static_shape(y);
  if (value == graph::kNoValue) {
    make.fill(dtype, shape, 0, y);
  } else if (c.value(value).constant && c.value(value).dtype == dtype && core::dtype_is_float(dtype)) {
    make.fill(dtype, shape, c.value(value).constant->at_f64(0), y);
  } else {
    make.expand(make.cast(make.view(value, {1}), dtype), shape, y);
  }
}

// Where element `at` of a padded axis comes from, at < 0 and at >= size included.
int64_t source_of(const std::string& mode, int64_t at, int64_t size) {
  if (mode == "edge" || size == 1) return std::clamp<int64_t>(at, 0, size - 1);
  const int64_t period = mode == "wrap" ? size : 2 * (size - 1);
  const int64_t place = ((at % period) + period) % period;
  return place < size ? place : period - place;
}

void lower_repeating(LowerContext& c, const std::string& mode, const std::vector<AxisPad>& pads) {
  Compose make(c);
  const core::Shape from = c.shape(0), to = c.static_shape(c.out(0));
  ValueId x = c.in(0);
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i].begin == 0 && pads[i].end == 0) continue;
    // A cut axis repeats what is left of it.
    const int64_t cut = std::max<int64_t>(-pads[i].begin, 0),
                  kept = from[i] - cut - std::max<int64_t>(-pads[i].end, 0);
    std::vector<int64_t> places;
    for (int64_t at = 0; at < to[i]; ++at)
      places.push_back(cut + source_of(mode, at - std::max<int64_t>(pads[i].begin, 0), kept));
    const int64_t count = int64_t(places.size());
    x = make.gather(x, make.constant(core::Tensor::from<int64_t>(DType::kI64, {count}, places)), i);
  }
  c.alias(c.out(0), x);
}

void lower_pad(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  const auto pads = read_pads(rule);
  const std::string mode = c.attributes().text("mode", "constant");
  if (core::element_count(c.static_shape(c.out(0))) == 0) return;
  if (mode != "constant") return lower_repeating(c, mode, pads);
  if (grows(pads)) fill_with(c, c.in(2), c.out(0));
  copy_inside(c, c.in(0), c.out(0), pads);
}

// ---- CenterCropPad ----
std::vector<AxisPad> centred(InferContext& c) {
  const size_t rank = c.rank(0);
  const auto target = c.need_constants(1);
  std::vector<int64_t> axes = c.attributes().integers("axes");
  for (size_t i = axes.size(); i < rank && !c.attributes().has("axes"); ++i) axes.push_back(int64_t(i));
  if (target.size() != axes.size()) c.fail("shape must have one entry an axis");
  std::vector<AxisPad> pads(rank);
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = c.axis(axes[i], rank);
    if (!c.shape(0)[axis].is_constant())
      c.undecided("axis " + std::to_string(axis) + " has no number as size");
    const int64_t more = target[i] - c.shape(0)[axis].value();
    const int64_t begin = more >= 0 ? more / 2 : -(-more / 2);
    pads[axis] = {begin, more - begin};
  }
  return pads;
}

void infer_center_crop_pad(InferContext& c) {
  const auto pads = centred(c);
  SymShape to = c.shape(0);
  for (size_t i = 0; i < to.size(); ++i) to[i] = to[i] + Dim(pads[i].begin + pads[i].end);
  c.set(0, c.dtype(0), std::move(to));
}

void lower_center_crop_pad(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  const auto pads = centred(rule);
  if (grows(pads)) fill_with(c, graph::kNoValue, c.out(0));
  copy_inside(c, c.in(0), c.out(0), pads);
}

}  // namespace

void register_pad(OpRegistry& registry) {
  registry.add({"Pad", "", infer_pad, lower_pad});
  registry.add({"CenterCropPad", "", infer_center_crop_pad, lower_center_crop_pad});
}

}  // namespace vulcap::ops
