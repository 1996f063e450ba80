// Element-wise operators of one operand, the bias variants of com.microsoft, and Dropout.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

enum class Types : uint8_t { kFloats, kSigned, kNumbers, kIntegers };

struct Parameter {
  std::string_view attribute;
  float fallback = 0;
};

struct Row {
  std::string_view op, domain;
  std::string_view row;  // of shaders/elementwise.def
  Types types = Types::kFloats;
  Parameter alpha{}, beta{};
};

constexpr std::string_view kOwn = "vulcap", kMicrosoft = "com.microsoft";
constexpr Row kRows[] = {
    {"Neg", "", "Neg", Types::kSigned},
    {"Abs", "", "Abs", Types::kNumbers},
    {"Sqrt", "", "Sqrt"},
    {"Reciprocal", "", "Reciprocal"},
    {"Exp", "", "Exp"},
    {"Log", "", "Log"},
    {"Erf", "", "Erf", Types::kNumbers},
    {"Tanh", "", "Tanh"},
    {"Sigmoid", "", "Sigmoid"},
    {"Relu", "", "Relu", Types::kSigned},
    {"Gelu", "", "Gelu"},
    {"GeluTanh", kOwn, "GeluTanh"},
    {"Silu", kOwn, "Silu"},
    {"QuickGelu", kMicrosoft, "QuickGelu", Types::kFloats, {"alpha", 1.702f}},
    {"Swish", "", "QuickGelu", Types::kFloats, {"alpha", 1}},
    {"Floor", "", "Floor"},
    {"Ceil", "", "Ceil"},
    {"Round", "", "Round"},
    {"Sin", "", "Sin"},
    {"Cos", "", "Cos"},
    {"Tan", "", "Tan"},
    {"Asin", "", "Asin"},
    {"Acos", "", "Acos"},
    {"Atan", "", "Atan"},
    {"Sinh", "", "Sinh"},
    {"Cosh", "", "Cosh"},
    {"Asinh", "", "Asinh"},
    {"Acosh", "", "Acosh"},
    {"Atanh", "", "Atanh"},
    {"Sign", "", "Sign", Types::kNumbers},
    {"BitwiseNot", "", "BitwiseNot", Types::kIntegers},
    {"LeakyRelu", "", "LeakyRelu", Types::kFloats, {"alpha", 0.01f}},
    {"ThresholdedRelu", "", "ThresholdedRelu", Types::kFloats, {"alpha", 1}},
    {"Elu", "", "Elu", Types::kFloats, {"alpha", 1}},
    {"Celu", "", "Celu", Types::kFloats, {"alpha", 1}},
    {"Selu",
     "",
     "Selu",
     Types::kFloats,
     {"alpha", 1.67326319217681884765625f},
     {"gamma", 1.05070102214813232421875f}},
    {"Softplus", "", "Softplus"},
    {"Softsign", "", "Softsign"},
    {"Mish", "", "Mish"},
    {"HardSigmoid", "", "HardSigmoid", Types::kFloats, {"alpha", 0.2f}, {"beta", 0.5f}},
    {"HardSwish", "", "HardSwish"},
    {"Shrink", "", "Shrink", Types::kNumbers, {"lambd", 0.5f}, {"bias", 0}},
};

const Row& row_of(const Node& node) {
  return *std::find_if(std::begin(kRows), std::end(kRows),
                       [&](const Row& row) { return row.op == node.op && row.domain == node.domain; });
}

void check_type(InferContext& c, Types types) {
  const DType dtype = c.dtype(0);
  const bool real = core::dtype_is_float(dtype);
  if (types == Types::kFloats && !real) c.fail("the operand must be floating");
  if (types == Types::kSigned && !real && !core::dtype_is_signed(dtype)) c.fail("the operand must be signed");
  if (types == Types::kNumbers && !real && !core::dtype_is_integer(dtype))
    c.fail("the operand must be a number");
  if (types == Types::kIntegers && !core::dtype_is_integer(dtype)) c.fail("the operand must be an integer");
}

void infer_unary(InferContext& c) {
  check_type(c, row_of(c.node()).types);
  Fact fact;
  if (c.node().op == "Neg") {
    if (auto ints = c.ints(0)) {
      for (Dim& dim : *ints) dim = Dim(0) - dim;
      fact.ints = std::move(ints);
    }
  }
  c.set(0, c.dtype(0), c.shape(0), std::move(fact));
}

float parameter(LowerContext& c, const Parameter& p) {
  return p.attribute.empty() ? 0 : c.attributes().real(p.attribute, p.fallback);
}

void lower_unary(LowerContext& c) {
  const Row& row = row_of(c.node());
  const bool tanh = c.node().op == "Gelu" && c.attributes().text("approximate", "none") == "tanh";
  Compose(c).unary(tanh ? "GeluTanh" : row.row, c.in(0), c.out(0), parameter(c, row.alpha),
                   parameter(c, row.beta));
}

// At inference nothing is dropped: y = x and the mask is all true.
void infer_dropout(InferContext& c) {
  const bool training = c.has(2) && c.need_tensor(2).at_i64(0) != 0;
  const bool drops = training && (!c.has(1) || c.need_tensor(1).at_f64(0) != 0);
  if (drops) c.fail("training mode drops at random, which inference does not do");
  Fact kept;
  kept.splat = 1;
  c.set(0, c.dtype(0), c.shape(0), c.in(0).fact);
  c.set(1, DType::kBool, c.shape(0), std::move(kept));
}

void lower_dropout(LowerContext& c) {
  c.alias(c.out(0), c.in(0));
  if (c.out(1) != graph::kNoValue) Compose(c).fill(DType::kBool, c.shape(0), 1, c.out(1));
}

}  // namespace

void register_activation(OpRegistry& registry) {
  for (const Row& row : kRows)
    registry.add({std::string(row.op), std::string(row.domain), infer_unary, lower_unary});
  registry.add({"Dropout", "", infer_dropout, lower_dropout});
}

}  // namespace vulcap::ops
