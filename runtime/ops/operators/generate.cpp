// Values made from sizes alone: Range-11 and ConstantOfShape-20.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/ops/kernels/element.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// Real ranges are made on the host: their length depends on rounding.
void infer_real_range(InferContext& c) {
  const double start = c.need_tensor(0).at_f64(0);
  const double limit = c.need_tensor(1).at_f64(0);
  const double delta = c.need_tensor(2).at_f64(0);
  if (delta == 0 || !std::isfinite((limit - start) / delta)) c.fail("start, limit and delta make no range");
  const auto count = int64_t(std::max(0.0, std::ceil((limit - start) / delta)));
  core::Tensor result(c.dtype(0), {count});
  for (int64_t i = 0; i < count; ++i)
    store_real(c.dtype(0), result.mutable_bytes().data(), size_t(i), start + double(i) * delta);
  c.set_constant(0, std::move(result));
}

void infer_range(InferContext& c) {
  if (core::dtype_is_float(c.dtype(0))) return infer_real_range(c);
  const auto start = c.need_ints(0);
  const auto limit = c.need_ints(1);
  const auto delta = c.need_ints(2);
  if (!delta.front().is_constant()) c.undecided("delta " + delta.front().text() + " is not a number");
  const int64_t step = delta.front().value();
  const Dim span = limit.front() - start.front();
  Dim count = span;
  if (step != 1) {
    if (step == 0 || !span.is_constant())
      c.fail("delta " + std::to_string(step) + " over a length of " + span.text());
    count = Dim((span.value() + step - (step > 0 ? 1 : -1)) / step);
  }
  if (count.is_constant() && count.value() < 0) count = Dim(0);
  Fact fact;
  fact.affine = graph::AffineIndex{start.front(), {step}};
  if (count.is_constant() && count.value() <= 4096) {
    std::vector<Dim> ints;
    for (int64_t i = 0; i < count.value(); ++i) ints.push_back(start.front() + Dim(i * step));
    fact.ints = std::move(ints);
  }
  c.set(0, c.dtype(0), {count}, std::move(fact));
}

void lower_range(LowerContext& c) {
  const core::Shape shape = c.static_shape(c.out(0));
  const auto affine = c.value(c.out(0)).fact.affine;
  const auto [base, past] = c.affine(affine->base);
  const abi::IotaParams p{narrow(shape[0]), int32_t(base), int32_t(past), int32_t(affine->coefficients[0])};
  auto& lowered = c.emit("iota", {c.value(c.out(0)).dtype, {}}, p, {c.write(c.out(0))}, {p.n, 1, 1});
  lowered.call.uses_state = past != 0;
}

// vulcap.Iota: a Range whose start and length are known sizes.
void infer_iota(InferContext& c) {
  Fact fact;
  fact.affine =
      graph::AffineIndex{Dim::parse(c.attributes().text("start", "0")), {c.attributes().integer("step", 1)}};
  c.set(0, DType(c.attributes().integer("dtype", int64_t(DType::kI64))),
        {Dim::parse(c.attributes().text("length", "0"))}, std::move(fact));
}

core::Tensor fill_value(const Attributes& attributes) {
  const graph::Attribute* attribute = attributes.find("value");
  if (attribute == nullptr) return core::Tensor(DType::kF32, {1});
  if (const auto* tensor = std::get_if<core::Tensor>(attribute); tensor && tensor->size() == 1)
    return *tensor;
  throw core::Error(core::ErrorCode::kInvalidModel, "attribute 'value' must hold one element");
}

void infer_constant_of_shape(InferContext& c) {
  const core::Tensor value = fill_value(c.attributes());
  SymShape to = c.need_ints(0);
  Fact fact;
  fact.splat = value.at_f64(0);
  const bool integer = core::dtype_is_integer(value.dtype()) || value.dtype() == DType::kBool;
  if (integer && to.size() <= 1 && core::is_static(to) && (to.empty() || to[0].value() <= 4096)) {
    fact.ints = std::vector<Dim>(to.empty() ? 1 : size_t(to[0].value()), Dim(value.at_i64(0)));
  }
  c.set(0, value.dtype(), std::move(to), std::move(fact));
}

void lower_constant_of_shape(LowerContext& c) {
  const core::Tensor value = fill_value(c.attributes());
  uint64_t bits = 0;
  std::memcpy(&bits, value.bytes().data(), value.bytes().size());
  const uint32_t n = narrow(int64_t(core::element_count(c.static_shape(c.out(0)))));
  c.emit("fill", {value.dtype(), {}}, abi::FillParams{n, uint32_t(bits), uint32_t(bits >> 32)},
         {c.write(c.out(0))}, {n, 1, 1});
}

}  // namespace

void register_generate(OpRegistry& registry) {
  registry.add({"Range", "", infer_range, lower_range});
  registry.add({"Iota", "vulcap", infer_iota, lower_range});
  registry.add({"ConstantOfShape", "", infer_constant_of_shape, lower_constant_of_shape});
}

}  // namespace vulcap::ops
