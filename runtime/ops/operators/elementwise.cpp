// Element-wise operators of two and more operands with ONNX broadcasting, Not and tests for NaN and
// infinities.
#include <algorithm>
#include <limits>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

std::optional<Dim> combine(std::string_view op, const Dim& a, const Dim& b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  const bool constant = a.is_constant() && b.is_constant();
  if (op == "Div") {
    if (constant) return b.value() == 0 ? std::nullopt : std::optional<Dim>(a.value() / b.value());
    return a.divide(b);
  }
  if (op == "Mod" && constant && a.value() >= 0 && b.value() > 0) return Dim(a.value() % b.value());
  if (op == "Min" || op == "Max") {
    if ((b - a).provably_nonnegative()) return op == "Min" ? a : b;
    if ((a - b).provably_nonnegative()) return op == "Min" ? b : a;
  }
  if (op == "Equal") {
    if (constant || a == b) return Dim(a == b);
    // A symbol stands for a size, so a form that is surely positive or negative is not zero.
    if ((a - b - Dim(1)).provably_nonnegative() || (b - a - Dim(1)).provably_nonnegative()) return Dim(0);
  }
  return std::nullopt;
}

// Facts are about the dtypes that sizes are computed in; others may wrap.
bool may_hold_sizes(DType dtype) {
  return dtype == DType::kI64 || dtype == DType::kI32 || dtype == DType::kBool;
}

std::optional<std::vector<Dim>> combine_ints(InferContext& c, size_t rank) {
  if (rank > 1 || c.inputs() != 2 || !may_hold_sizes(c.dtype(0))) return std::nullopt;
  const auto a = c.ints(0);
  const auto b = c.ints(1);
  if (!a || !b) return std::nullopt;
  std::vector<Dim> result;
  const size_t n = a->empty() || b->empty() ? 0 : std::max(a->size(), b->size());
  try {
    for (size_t i = 0; i < n; ++i) {
      auto dim = combine(c.node().op, (*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
      if (!dim) return std::nullopt;
      result.push_back(*dim);
    }
  } catch (const core::Error&) {  // beyond 64 bits: no size
    return std::nullopt;
  }
  return result;
}

std::optional<graph::AffineIndex> combine_affine(InferContext& c, size_t rank) {
  if (c.node().op != "Add" && c.node().op != "Sub") return std::nullopt;
  auto a = affine_operand(c, 0, rank);
  auto b = affine_operand(c, 1, rank);
  if (!a || !b) return std::nullopt;
  if (c.node().op == "Sub") return affine_difference(*a, *b, 0);
  const graph::AffineIndex zero{Dim(0), std::vector<int64_t>(rank, 0)};
  return affine_difference(*a, affine_difference(zero, *b, 0), 0);
}

// The row that computes the operator; empty when it is not one of shaders/elementwise.def.
std::string_view binary_row(const Node& node) {
  if (node.op == "Mod" && node.attributes.integer("fmod", 0) != 0) return "Fmod";
  if (node.op == "BitShift")
    return node.attributes.text("direction", "") == "LEFT" ? "ShiftLeft" : "ShiftRight";
  return node.op;
}

// What ONNX admits beyond equal dtypes.
void check_binary(InferContext& c) {
  const std::string& op = c.node().op;
  const DType dtype = c.dtype(0);
  if (op.starts_with("Bitwise") && !core::dtype_is_integer(dtype)) c.fail("operands must be integers");
  if (op == "BitShift") {
    if (!core::dtype_is_integer(dtype) || core::dtype_is_signed(dtype)) c.fail("operands must be unsigned");
    const std::string direction = c.attributes().text("direction", "");
    if (direction != "LEFT" && direction != "RIGHT") c.fail("direction must be LEFT or RIGHT");
  }
  if (op == "Mod" && core::dtype_is_float(dtype) && c.attributes().integer("fmod", 0) == 0)
    c.fail("fmod must be 1 for floating operands");
}

void infer_binary(InferContext& c) {
  if (c.node().op != "Pow") c.same_dtype(0, 1);
  check_binary(c);
  SymShape shape = broadcast(c.shape(0), c.shape(1));
  if (c.node().op == "PRelu" && shape != c.shape(0)) c.fail("the slope must broadcast to the input");
  Fact fact;
  fact.ints = combine_ints(c, shape.size());
  if (may_hold_sizes(c.dtype(0)) && c.dtype(0) != DType::kBool) fact.affine = combine_affine(c, shape.size());
  c.set(0, c.dtype(0), std::move(shape), std::move(fact));
}

std::optional<graph::AffineIndex> comparison_form(InferContext& c, size_t rank) {
  const auto a = affine_operand(c, 0, rank);
  const auto b = affine_operand(c, 1, rank);
  if (!a || !b) return std::nullopt;
  const std::string& op = c.node().op;
  if (op == "LessOrEqual") return affine_difference(*a, *b, 0);
  if (op == "Less") return affine_difference(*a, *b, 1);
  if (op == "GreaterOrEqual") return affine_difference(*b, *a, 0);
  if (op == "Greater") return affine_difference(*b, *a, 1);
  return std::nullopt;
}

void infer_compare(InferContext& c) {
  c.same_dtype(0, 1);
  SymShape shape = broadcast(c.shape(0), c.shape(1));
  Fact fact;
  fact.ints = combine_ints(c, shape.size());
  fact.at_most_zero = comparison_form(c, shape.size());
  if (fact.at_most_zero) {
    if (auto decided = decide_at_most_zero(*fact.at_most_zero, shape)) fact.splat = *decided ? 1.0 : 0.0;
  }
  c.set(0, DType::kBool, std::move(shape), std::move(fact));
}

// And, Or: what one operand leaves of the other.
Fact logic_fact(InferContext& c, size_t rank) {
  const std::string& op = c.node().op;
  for (size_t i = 0; op != "Xor" && i < 2; ++i) {
    const auto splat = c.splat(i);
    if (!splat) continue;
    Fact fact;
    if ((*splat != 0) != (op == "And")) {
      fact.splat = *splat;
      return fact;
    }
    const Value& other = c.in(1 - i);
    fact.splat = other.fact.splat;
    if (other.fact.at_most_zero) {
      fact.at_most_zero = broadcastable(*other.fact.at_most_zero, c.shape(1 - i));
      auto& coefficients = fact.at_most_zero->coefficients;
      coefficients.insert(coefficients.begin(), rank - coefficients.size(), 0);
    }
    return fact;
  }
  return {};
}

void infer_logic(InferContext& c) {
  if (c.dtype(0) != DType::kBool || c.dtype(1) != DType::kBool) c.fail("operands must be bool");
  SymShape shape = broadcast(c.shape(0), c.shape(1));
  Fact fact = logic_fact(c, shape.size());
  c.set(0, DType::kBool, std::move(shape), std::move(fact));
}

void lower_binary(LowerContext& c) { Compose(c).binary(binary_row(c.node()), c.in(0), c.in(1), c.out(0)); }
void lower_compare(LowerContext& c) { Compose(c).compare(c.node().op, c.in(0), c.in(1), c.out(0)); }
void lower_logic(LowerContext& c) { Compose(c).logic(c.node().op, c.in(0), c.in(1), c.out(0)); }

// Min, Max, Sum and Mean take any number of operands.
void infer_variadic(InferContext& c) {
  SymShape shape = c.shape(0);
  for (size_t i = 1; i < c.inputs(); ++i) {
    c.same_dtype(0, i);
    shape = broadcast(shape, c.shape(i));
  }
  Fact fact;
  fact.ints = combine_ints(c, shape.size());
  c.set(0, c.dtype(0), std::move(shape), std::move(fact));
}

// Rows of two operands one after the other; the last result lies in `to`.
ValueId lower_chain(LowerContext& c, std::string_view row, ValueId to) {
  const size_t count = c.node().inputs.size();
  ValueId left = c.in(0);
  for (size_t i = 1; i < count; ++i)
    left = Compose(c).binary(row, left, c.in(i), i + 1 == count ? to : graph::kNoValue);
  return left;
}

void lower_variadic(LowerContext& c) {
  const std::string& op = c.node().op;
  const size_t count = c.node().inputs.size();
  if (count == 1) return c.alias(c.out(0), c.in(0));
  if (op != "Mean") {
    lower_chain(c, op == "Sum" ? "Add" : std::string_view(op), c.out(0));
    return;
  }
  Compose m(c);
  m.binary("Div", lower_chain(c, "Add", graph::kNoValue), m.fill(c.dtype(0), {1}, double(count)), c.out(0));
}

// The dtype in which a power is computed; the result has the base's.
DType power_dtype(DType base, DType exponent) {
  const bool real = core::dtype_is_float(exponent);
  if (base == exponent || (core::dtype_is_integer(base) && !real)) return base;
  if (core::dtype_is_integer(base)) return DType::kF64;
  return core::dtype_bits(base) < 32 ? DType::kF32 : base;
}

void lower_pow(LowerContext& c) {
  Compose m(c);
  const DType base = c.dtype(0);
  const DType dtype = power_dtype(base, c.dtype(1));
  const ValueId to = dtype == base ? c.out(0) : graph::kNoValue;
  const ValueId power = m.binary("Pow", m.cast(c.in(0), dtype), m.cast(c.in(1), dtype), to);
  if (dtype != base) m.cast(power, base, c.out(0));
}

void infer_not(InferContext& c) {
  if (c.dtype(0) != DType::kBool) c.fail("the operand must be bool");
  c.set(0, DType::kBool, c.shape(0));
}

// Not(x) = x xor true.
void lower_not(LowerContext& c) {
  Compose m(c);
  m.logic("Xor", c.in(0), m.fill(DType::kBool, {1}, 1), c.out(0));
}

void infer_test(InferContext& c) {
  if (!core::dtype_is_float(c.dtype(0))) c.fail("the operand must be floating");
  c.set(0, DType::kBool, c.shape(0));
}

// NaN is the one number that differs from itself.
void lower_is_nan(LowerContext& c) { Compose(c).compare("NotEqual", c.in(0), c.in(0), c.out(0)); }

void lower_is_inf(LowerContext& c) {
  Compose m(c);
  const bool positive = c.attributes().integer("detect_positive", 1) != 0;
  const bool negative = c.attributes().integer("detect_negative", 1) != 0;
  if (!positive && !negative) {
    m.fill(DType::kBool, c.shape(0), 0, c.out(0));
    return;
  }
  const bool small = core::dtype_bits(c.dtype(0)) < 16;  // floats of which some have no infinity
  const DType dtype = small ? DType::kF32 : c.dtype(0);
  ValueId x = m.cast(c.in(0), dtype);
  if (positive && negative) x = m.unary("Abs", x);
  const double infinity = std::numeric_limits<double>::infinity();
  m.compare("Equal", x, m.fill(dtype, {1}, positive ? infinity : -infinity), c.out(0));
}

}  // namespace

void register_elementwise(OpRegistry& registry) {
  for (const char* name :
       {"Add", "Sub", "Mul", "Div", "Mod", "PRelu", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift"})
    registry.add({name, "", infer_binary, lower_binary});
  registry.add({"Pow", "", infer_binary, lower_pow});
  for (const char* name : {"Min", "Max", "Sum", "Mean"})
    registry.add({name, "", infer_variadic, lower_variadic});
  for (const char* name : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
    registry.add({name, "", infer_compare, lower_compare});
  for (const char* name : {"And", "Or", "Xor"}) registry.add({name, "", infer_logic, lower_logic});
  registry.add({"Not", "", infer_not, lower_not});
  registry.add({"IsNaN", "", infer_test, lower_is_nan});
  registry.add({"IsInf", "", infer_test, lower_is_inf});
}

}  // namespace vulcap::ops
