// Cast, CastLike and BitCast.
#include <algorithm>
#include <cmath>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// Whether an integer survives a cast to an integer type; an open size fits any type that sizes are computed
// in.
bool fits(const Dim& dim, DType to) {
  if (to == DType::kI64 || (to == DType::kI32 && !dim.is_constant())) return true;
  if (!dim.is_constant()) return false;
  const bool is_unsigned = !core::dtype_is_signed(to);
  const size_t bits = core::dtype_bits(to) - (is_unsigned ? 0 : 1);
  const int64_t value = dim.value();
  if (value < 0) return !is_unsigned && value >= -(int64_t(1) << bits);
  return bits >= 63 || value < (int64_t(1) << bits);
}

Fact cast_fact(InferContext& c, DType to) {
  Fact fact = c.in(0).fact;
  fact.ints = c.ints(0);
  const bool same = to == c.dtype(0);
  const bool integer = core::dtype_is_integer(to) && core::dtype_is_integer(c.dtype(0));
  const bool fitting = fact.ints && std::all_of(fact.ints->begin(), fact.ints->end(),
                                                [&](const Dim& dim) { return fits(dim, to); });
  if (!same && !(integer && fitting && core::dtype_bits(to) >= 8)) fact.ints.reset();
  if (!same && !(integer && (to == DType::kI64 || to == DType::kI32))) fact.affine.reset();
  if (to != DType::kBool) fact.at_most_zero.reset();
  if (fact.splat && to == DType::kBool) fact.splat = *fact.splat != 0 ? 1.0 : 0.0;
  if (fact.splat && core::dtype_is_integer(to)) fact.splat = std::trunc(*fact.splat);
  if (fact.splat && core::dtype_is_integer(to) && !fits(Dim(int64_t(*fact.splat)), to)) fact.splat.reset();
  return fact;
}

void infer_cast(InferContext& c) {
  const DType to = DType(c.attributes().integer("to", 0));
  if (core::dtype_bits(to) == 0 || core::dtype_bits(c.dtype(0)) == 0)
    c.fail("cannot cast ONNX type " + std::to_string(int(c.dtype(0))) + " to " + std::to_string(int(to)));
  c.set(0, to, c.shape(0), cast_fact(c, to));
}

void expand_cast_like(ExpandContext& c) {
  Attributes attributes = c.attributes();
  attributes.set("to", int64_t(c.dtype(1)));
  c.result(0, c.add("Cast", {c.operand(0)}, std::move(attributes)));
}

uint32_t cast_flags(LowerContext& c) {
  const std::string mode = c.attributes().text("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest")
    c.fail("round_mode must be up, down or nearest but is " + mode);
  const uint32_t rounding = mode == "down"      ? abi::kCastRoundDown
                            : mode == "nearest" ? abi::kCastRoundNearest
                                                : 0;
  return rounding | (c.attributes().integer("saturate", 1) == 0 ? abi::kCastNoSaturate : 0);
}

void lower_cast(LowerContext& c) {
  if (c.value(c.out(0)).dtype == c.dtype(0)) return c.alias(c.out(0), c.in(0));
  Compose(c).cast(c.in(0), c.value(c.out(0)).dtype, c.out(0), cast_flags(c));
}

void infer_bit_cast(InferContext& c) {
  const DType to = DType(c.attributes().integer("to", 0));
  if (core::dtype_bits(to) == 0 || core::dtype_bits(to) != core::dtype_bits(c.dtype(0)))
    c.fail("ONNX type " + std::to_string(int(to)) + " has other bits than " +
           std::string(core::dtype_name(c.dtype(0))));
  c.set(0, to, c.shape(0));
}

void lower_bit_cast(LowerContext& c) { c.alias(c.out(0), c.in(0)); }

}  // namespace

void register_cast(OpRegistry& registry) {
  registry.add({"Cast", "", infer_cast, lower_cast});
  registry.add_composite("CastLike", "", expand_cast_like);
  registry.add({"BitCast", "", infer_bit_cast, lower_bit_cast});
}

}  // namespace vulcap::ops
