// Element-wise operators with ONNX broadcasting: the rows of shaders/elementwise.def, Where, Clip, Not, IsNaN
// and Cast.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

struct Row {
  std::string_view name;
  uint32_t index;
};

constexpr Row kUnary[] = {
#define VULCAP_UNARY(index, name, expression) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_UNARY
};
constexpr Row kBinary[] = {
#define VULCAP_BINARY(index, name, real, integer) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_BINARY
};
constexpr Row kCompare[] = {
#define VULCAP_COMPARE(index, name, expression) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_COMPARE
};
constexpr Row kLogic[] = {
#define VULCAP_LOGIC(index, name, expression) {#name, index},
#include "shaders/elementwise.def"
#undef VULCAP_LOGIC
};

template <size_t N>
uint32_t row_index(const Row (&rows)[N], std::string_view name) {
  for (const Row& row : rows) {
    if (row.name == name) return row.index;
  }
  throw core::Error(core::ErrorCode::kInvalidModel, "no element-wise row " + std::string(name));
}

// The row of a Gelu node depends on its `approximate` attribute.
std::string_view unary_row(const Node& node) {
  if (node.op == "Gelu" && node.attributes.text("approximate", "none") == "tanh") return "GeluTanh";
  return node.op;
}

void infer_unary(InferContext& c) {
  Fact fact;
  if (c.node().op == "Neg") {
    if (auto ints = c.ints(0)) {
      for (Dim& dim : *ints) dim = Dim(0) - dim;
      fact.ints = std::move(ints);
    }
  }
  c.set(0, c.dtype(0), c.shape(0), std::move(fact));
}

void emit_unary(LowerContext& c, uint32_t row, float alpha, float beta) {
  const uint32_t n = narrow(int64_t(core::element_count(c.shape(0))));
  c.emit("unary", {c.dtype(0), {}}, abi::UnaryParams{n, row, alpha, beta},
         {c.read(c.in(0)), c.write(c.out(0))}, {n, 1, 1});
}

void lower_unary(LowerContext& c) {
  const std::string_view name = unary_row(c.node());
  const bool hard_sigmoid = name == "HardSigmoid";
  float alpha = hard_sigmoid ? 0.2f : name == "LeakyRelu" ? 0.01f : name == "Elu" ? 1.0f : 0.0f;
  if (name == "QuickGelu") alpha = 1.702f;
  emit_unary(c, row_index(kUnary, name), c.attributes().real("alpha", alpha),
             c.attributes().real("beta", hard_sigmoid ? 0.5f : 0.0f));
}

std::optional<Dim> combine(std::string_view op, const Dim& a, const Dim& b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  const bool constant = a.is_constant() && b.is_constant();
  if (op == "Div") {
    if (constant) return b.value() == 0 ? std::nullopt : std::optional<Dim>(a.value() / b.value());
    return a.divide(b);
  }
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

std::optional<std::vector<Dim>> combine_ints(InferContext& c, size_t rank) {
  if (rank > 1) return std::nullopt;
  const auto a = c.ints(0);
  const auto b = c.ints(1);
  if (!a || !b) return std::nullopt;
  std::vector<Dim> result;
  const size_t n = a->empty() || b->empty() ? 0 : std::max(a->size(), b->size());
  for (size_t i = 0; i < n; ++i) {
    auto dim = combine(c.node().op, (*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]);
    if (!dim) return std::nullopt;
    result.push_back(*dim);
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

void infer_binary(InferContext& c) {
  if (c.node().op != "Pow") c.same_dtype(0, 1);
  SymShape shape = broadcast(c.shape(0), c.shape(1));
  Fact fact;
  fact.ints = combine_ints(c, shape.size());
  if (core::dtype_is_integer(c.dtype(0))) fact.affine = combine_affine(c, shape.size());
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

void infer_logic(InferContext& c) {
  if (c.dtype(0) != DType::kBool || c.dtype(1) != DType::kBool) c.fail("operands must be bool");
  c.set(0, DType::kBool, broadcast(c.shape(0), c.shape(1)));
}

template <size_t N>
void emit_broadcast(LowerContext& c, std::string_view kernel, const Row (&rows)[N], std::string_view row,
                    ValueId a, ValueId b, ValueId out) {
  const core::Shape to = c.static_shape(out);
  const auto space =
      collapse<2>(to, {broadcast_strides(c.static_shape(a), to), broadcast_strides(c.static_shape(b), to)});
  abi::BinaryParams p{};
  p.n = space.n;
  p.op = row_index(rows, row);
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.a_stride[i] = uint32_t(space.strides[0][i]);
    p.b_stride[i] = uint32_t(space.strides[1][i]);
  }
  c.emit(kernel, {c.value(a).dtype, c.value(out).dtype}, p, {c.read(a), c.read(b), c.write(out)},
         {p.n, 1, 1});
}

void lower_binary(LowerContext& c) {
  emit_broadcast(c, "binary", kBinary, c.node().op, c.in(0), c.in(1), c.out(0));
}
void lower_compare(LowerContext& c) {
  emit_broadcast(c, "compare", kCompare, c.node().op, c.in(0), c.in(1), c.out(0));
}
void lower_logic(LowerContext& c) {
  emit_broadcast(c, "logic", kLogic, c.node().op, c.in(0), c.in(1), c.out(0));
}

// Min, Max and Sum take any number of operands.
void infer_variadic(InferContext& c) {
  if (c.inputs() == 2) {
    c.same_dtype(0, 1);
    SymShape shape = broadcast(c.shape(0), c.shape(1));
    Fact fact;
    fact.ints = combine_ints(c, shape.size());
    return c.set(0, c.dtype(0), std::move(shape), std::move(fact));
  }
  SymShape shape = c.shape(0);
  for (size_t i = 1; i < c.inputs(); ++i) {
    c.same_dtype(0, i);
    shape = broadcast(shape, c.shape(i));
  }
  c.set(0, c.dtype(0), std::move(shape));
}

void lower_variadic(LowerContext& c) {
  const std::string_view row = c.node().op == "Sum" ? "Add" : std::string_view(c.node().op);
  const size_t count = c.node().inputs.size();
  if (count == 1) return c.alias(c.out(0), c.in(0));
  ValueId left = c.in(0);
  for (size_t i = 1; i < count; ++i) {
    const bool last = i + 1 == count;
    core::Shape shape;
    for (const Dim& dim : broadcast(c.sym_shape(left), c.sym_shape(c.in(i)))) shape.push_back(dim.value());
    const ValueId to = last ? c.out(0) : c.temp(c.dtype(0), shape);
    emit_broadcast(c, "binary", kBinary, row, left, c.in(i), to);
    left = to;
  }
}

ValueId cast_to(LowerContext& c, ValueId value, DType dtype) {
  if (c.value(value).dtype == dtype) return value;
  const core::Shape shape = c.static_shape(value);
  const DType from = c.value(value).dtype;
  const ValueId result = c.temp(dtype, shape);
  const uint32_t n = narrow(int64_t(core::element_count(shape)));
  c.emit("cast", {from, dtype}, abi::CastParams{n}, {c.read(value), c.write(result)}, {n, 1, 1});
  return result;
}

void infer_clip(InferContext& c) {
  for (size_t i = 1; i < c.inputs(); ++i) {
    if (!c.has(i)) continue;
    c.same_dtype(0, i);
    if (!(core::product(c.shape(i)) == Dim(1))) c.fail("a bound must be one number");
  }
  c.set(0, c.dtype(0), c.shape(0));
}

// Constant bounds of floating tensors are parameters of one kernel; other bounds are operands of Max and Min.
void lower_clip(LowerContext& c) {
  const auto constant = [&](size_t i) { return !c.has(i) || c.value(c.in(i)).constant.has_value(); };
  if (core::dtype_is_float(c.dtype(0)) && constant(1) && constant(2)) {
    const auto bound = [&](size_t i, float fallback) {
      return c.has(i) ? float(c.value(c.in(i)).constant->at_f64(0)) : fallback;
    };
    const float infinity = std::numeric_limits<float>::infinity();
    return emit_unary(c, row_index(kUnary, "Clip"), bound(1, -infinity), bound(2, infinity));
  }
  if (!c.has(1) && !c.has(2)) return c.alias(c.out(0), c.in(0));
  ValueId value = c.in(0);
  if (c.has(1)) {
    const ValueId to = c.has(2) ? c.temp(c.dtype(0), c.shape(0)) : c.out(0);
    emit_broadcast(c, "binary", kBinary, "Max", value, c.in(1), to);
    value = to;
  }
  if (c.has(2)) emit_broadcast(c, "binary", kBinary, "Min", value, c.in(2), c.out(0));
}

// Pow-13: the exponent may be of another type; the result has the base's. An integer base with a real
// exponent is raised in f32.
void lower_pow(LowerContext& c) {
  const DType base = c.dtype(0);
  if (core::dtype_is_float(base) || core::dtype_is_integer(c.dtype(1))) {
    return emit_broadcast(c, "binary", kBinary, "Pow", c.in(0), cast_to(c, c.in(1), base), c.out(0));
  }
  const core::Shape to = c.static_shape(c.out(0));
  const ValueId power = c.temp(DType::kF32, to);
  emit_broadcast(c, "binary", kBinary, "Pow", cast_to(c, c.in(0), DType::kF32),
                 cast_to(c, c.in(1), DType::kF32), power);
  const uint32_t n = narrow(int64_t(core::element_count(to)));
  c.emit("cast", {DType::kF32, base}, abi::CastParams{n}, {c.read(power), c.write(c.out(0))}, {n, 1, 1});
}

// Not(x) = x xor true.
void lower_not(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const ValueId yes = c.temp(DType::kBool, {1});
  c.emit("fill", {DType::kBool, {}}, abi::FillParams{1, 1, 0}, {c.write(yes)}, {1, 1, 1});
  const auto space = collapse<2>(shape, {row_major_strides(shape), std::vector<int64_t>(shape.size(), 0)});
  abi::BinaryParams p{};
  p.n = space.n;
  p.op = row_index(kLogic, "Xor");
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.a_stride[i] = uint32_t(space.strides[0][i]);
  }
  c.emit("logic", {DType::kBool, DType::kBool}, p, {c.read(c.in(0)), c.read(yes), c.write(c.out(0))},
         {p.n, 1, 1});
}

void infer_bool(InferContext& c) { c.set(0, DType::kBool, c.shape(0)); }

// NaN is the one number that differs from itself.
void lower_is_nan(LowerContext& c) {
  const core::Shape shape = c.shape(0);
  const ValueId same = c.temp(DType::kBool, shape);
  const auto strides = row_major_strides(shape);
  const auto space = collapse<2>(shape, {strides, strides});
  abi::BinaryParams p{};
  p.n = space.n;
  p.op = row_index(kCompare, "Equal");
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.a_stride[i] = p.b_stride[i] = uint32_t(space.strides[0][i]);
  }
  c.emit("compare", {c.dtype(0), DType::kBool}, p, {c.read(c.in(0)), c.read(c.in(0)), c.write(same)},
         {p.n, 1, 1});
  const ValueId yes = c.temp(DType::kBool, {1});
  c.emit("fill", {DType::kBool, {}}, abi::FillParams{1, 1, 0}, {c.write(yes)}, {1, 1, 1});
  p.op = row_index(kLogic, "Xor");
  for (uint32_t& stride : p.b_stride) stride = 0;
  c.emit("logic", {DType::kBool, DType::kBool}, p, {c.read(same), c.read(yes), c.write(c.out(0))},
         {p.n, 1, 1});
}

void infer_where(InferContext& c) {
  if (c.dtype(0) != DType::kBool) c.fail("the condition must be bool");
  c.same_dtype(1, 2);
  SymShape shape = broadcast(c.shape(0), broadcast(c.shape(1), c.shape(2)));
  Fact fact;
  if (const auto condition = c.splat(0)) fact.splat = c.splat(*condition != 0 ? 1 : 2);
  const auto condition = c.ints(0);
  const auto a = c.ints(1);
  const auto b = c.ints(2);
  if (shape.size() <= 1 && condition && a && b &&
      shape == SymShape(shape.size(), Dim(int64_t(condition->size())))) {
    std::vector<Dim> ints;
    for (size_t i = 0; i < condition->size(); ++i) {
      const auto& from = (*condition)[i] == Dim(0) ? *b : *a;
      ints.push_back(from[from.size() == 1 ? 0 : i]);
    }
    fact.ints = std::move(ints);
  }
  c.set(0, c.dtype(1), std::move(shape), std::move(fact));
}

void lower_where(LowerContext& c) {
  const core::Shape to = c.static_shape(c.out(0));
  const auto space = collapse<3>(to, {broadcast_strides(c.shape(0), to), broadcast_strides(c.shape(1), to),
                                      broadcast_strides(c.shape(2), to)});
  abi::WhereParams p{};
  p.n = space.n;
  for (size_t i = 0; i < 6; ++i) {
    p.shape[i] = space.shape[i];
    p.c_stride[i] = uint32_t(space.strides[0][i]);
    p.a_stride[i] = uint32_t(space.strides[1][i]);
    p.b_stride[i] = uint32_t(space.strides[2][i]);
  }
  c.emit("where", {c.dtype(1), {}}, p, {c.read(c.in(0)), c.read(c.in(1)), c.read(c.in(2)), c.write(c.out(0))},
         {p.n, 1, 1});
}

// Whether an integer survives a cast to an integer type; an open size fits any type that sizes are computed
// in.
bool fits(const Dim& dim, DType to) {
  if (to == DType::kI64 || (to == DType::kI32 && !dim.is_constant())) return true;
  if (!dim.is_constant()) return false;
  const bool is_unsigned = to == DType::kU8 || to == DType::kU16 || to == DType::kU32 || to == DType::kU64;
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
  if (!same && !(integer && fitting)) fact.ints.reset();
  if (!same && !(integer && (to == DType::kI64 || to == DType::kI32))) fact.affine.reset();
  if (to != DType::kBool) fact.at_most_zero.reset();
  if (fact.splat && to == DType::kBool) fact.splat = *fact.splat != 0 ? 1.0 : 0.0;
  if (fact.splat && core::dtype_is_integer(to)) fact.splat = std::trunc(*fact.splat);
  if (fact.splat && core::dtype_is_integer(to) && !fits(Dim(int64_t(*fact.splat)), to)) fact.splat.reset();
  return fact;
}

void infer_cast(InferContext& c) {
  const DType to = DType(c.attributes().integer("to", 0));
  if (core::dtype_bits(to) == 0) c.fail("cannot cast to ONNX type " + std::to_string(int(to)));
  c.set(0, to, c.shape(0), cast_fact(c, to));
}

void lower_cast(LowerContext& c) {
  const DType to = c.value(c.out(0)).dtype;
  if (to == c.dtype(0)) return c.alias(c.out(0), c.in(0));
  const uint32_t n = narrow(int64_t(core::element_count(c.shape(0))));
  c.emit("cast", {c.dtype(0), to}, abi::CastParams{n}, {c.read(c.in(0)), c.write(c.out(0))}, {n, 1, 1});
}

void infer_cast_like(InferContext& c) { c.set(0, c.dtype(1), c.shape(0)); }

}  // namespace

void register_elementwise(OpRegistry& registry) {
  for (const Row& row : kUnary) {
    if (row.name == "Identity" || row.name == "Clip" || row.name == "QuickGelu") continue;
    const bool own = row.name == "GeluTanh" || row.name == "Silu";
    registry.add({std::string(row.name), own ? "vulcap" : "", infer_unary, lower_unary});
  }
  registry.add({"QuickGelu", "com.microsoft", infer_unary, lower_unary});
  registry.add({"Clip", "", infer_clip, lower_clip});
  for (const Row& row : kBinary) registry.add({std::string(row.name), "", infer_binary, lower_binary});
  for (const char* name : {"Min", "Max", "Sum"}) registry.add({name, "", infer_variadic, lower_variadic});
  registry.add({"Pow", "", infer_binary, lower_pow});
  for (const Row& row : kCompare) registry.add({std::string(row.name), "", infer_compare, lower_compare});
  for (const Row& row : kLogic) registry.add({std::string(row.name), "", infer_logic, lower_logic});
  registry.add({"Not", "", infer_bool, lower_not});
  registry.add({"IsNaN", "", infer_bool, lower_is_nan});
  registry.add({"Where", "", infer_where, lower_where});
  registry.add({"Cast", "", infer_cast, lower_cast});
  registry.add({"CastLike", "", infer_cast_like, lower_cast});
}

}  // namespace vulcap::ops
