#include "tests/differential/draw.h"

namespace vulcap::test {
namespace {

using DType = core::DType;
using Types = std::vector<DType>;
using graph::Attributes;
using graph::ValueId;

const Types kFloats{DType::kF32, DType::kF32, DType::kF32, DType::kF16, DType::kF64, DType::kBF16};
const Types kIntegers{DType::kI64, DType::kI32, DType::kI16, DType::kI8,
                      DType::kU64, DType::kU32, DType::kU16, DType::kU8};
const Types kSigned{DType::kF32, DType::kF16, DType::kF64, DType::kBF16,
                    DType::kI64, DType::kI32, DType::kI16, DType::kI8};
const Types kNumbers{DType::kF32, DType::kF32, DType::kF16, DType::kF64, DType::kBF16,
                     DType::kI64, DType::kI32, DType::kI16, DType::kI8,  DType::kU64,
                     DType::kU32, DType::kU16, DType::kU8};
const Types kAll{DType::kF32, DType::kF32, DType::kF16, DType::kF64, DType::kBF16, DType::kI64, DType::kI32,
                 DType::kI16, DType::kI8,  DType::kU64, DType::kU32, DType::kU16,  DType::kU8,  DType::kBool};
const Types kBools{DType::kBool};

bool is_float(Drawing& d, ValueId id) { return core::dtype_is_float(d.dtype(id)); }

// An existing value of that dtype and shape, else a leaf that broadcasts with it.
ValueId partner(Drawing& d, ValueId first) {
  if (d.chance(0.3)) {
    const auto same = [&](ValueId id) {
      return d.dtype(id) == d.dtype(first) && d.shape(id) == d.shape(first);
    };
    if (const auto found = d.existing(same)) return *found;
  }
  return d.leaf(d.dtype(first), d.broadcastable(d.shape(first)));
}

bool smooth_unary(Drawing& d) {
  static const std::vector<std::string> kAnywhere{"Erf",         "Tanh",     "Sigmoid",   "Sin",
                                                  "Cos",         "Softplus", "Softsign",  "Atan",
                                                  "HardSigmoid", "Mish",     "HardSwish", "Asinh"};
  return d.add(d.pick(kAnywhere), {d.operand(kFloats)});
}

bool smooth_unary_with_attribute(Drawing& d) {
  static const std::vector<std::string> kOps{"Elu",  "Selu",  "Celu",           "LeakyRelu",
                                             "Gelu", "Swish", "ThresholdedRelu"};
  const std::string op = d.pick(kOps);
  const ValueId x = d.operand(kFloats);
  Attributes attributes;
  if (op == "Gelu" && d.chance(0.5)) attributes.set("approximate", std::string("tanh"));
  if (op != "Gelu" && op != "Selu" && d.chance(0.5)) attributes.set("alpha", 0.75f);
  if (op == "ThresholdedRelu" && !d.exact(x)) return false;
  if (op == "Celu" && d.dtype(x) != DType::kF32) return false;  // all that ONNX allows
  return d.add(op, {x}, attributes);
}

struct Domain {
  const char* op;
  double low, high;
};

bool bounded_unary(Drawing& d) {
  static const std::vector<Domain> kDomains{
      {"Exp", -20, 4},     {"Sinh", -4, 4},           {"Cosh", -4, 4},     {"Sqrt", 0.01, 1e6},
      {"Log", 0.01, 1e6},  {"Reciprocal", 0.05, 1e6}, {"Acosh", 1.1, 1e6}, {"Asin", -0.9, 0.9},
      {"Acos", -0.9, 0.9}, {"Atanh", -0.9, 0.9},      {"Tan", -1.2, 1.2}};
  const Domain& domain = d.pick(kDomains);
  const ValueId x = d.operand(kFloats);
  return d.all_in(x, domain.low, domain.high) && d.add(domain.op, {x});
}

bool exact_unary(Drawing& d) {
  static const std::vector<std::string> kSignedOps{"Neg", "Abs", "Relu"};
  return d.add(d.pick(kSignedOps), {d.operand(kSigned)}, {}, true);
}

bool identity(Drawing& d) { return d.add("Identity", {d.operand(kAll)}, {}, true); }

bool jumping_unary(Drawing& d) {
  static const std::vector<std::string> kOps{"Floor", "Ceil", "Round", "Sign", "IsNaN", "IsInf"};
  const ValueId x = d.operand(kFloats);
  return d.exact(x) && d.add(d.pick(kOps), {x}, {}, true);
}

bool bit_unary(Drawing& d) {
  return d.chance(0.5) ? d.add("Not", {d.operand(kBools)}) : d.add("BitwiseNot", {d.operand(kIntegers)});
}

// Bits agree when no rounding is needed, which holds for numbers of few digits in wide types.
bool arithmetic_is_exact(Drawing& d, ValueId x) {
  return !is_float(d, x) || d.dtype(x) == DType::kF32 || d.dtype(x) == DType::kF64;
}

bool arithmetic(Drawing& d) {
  static const std::vector<std::string> kOps{"Add", "Sub", "Mul"};
  const ValueId x = d.operand(kNumbers);
  std::vector<ValueId> operands{x, partner(d, x)};
  if (d.chance(0.5)) std::swap(operands[0], operands[1]);
  return d.add(d.pick(kOps), operands, {}, arithmetic_is_exact(d, x));
}

bool division(Drawing& d) {
  const ValueId x = d.operand(kNumbers);
  const ValueId y = partner(d, x);
  if (!d.all_in(y, 0.2, 1e6)) return false;
  if (!is_float(d, x) && !(d.exact(x) && d.exact(y))) return false;
  return d.add("Div", {x, y});
}

bool modulo(Drawing& d) {
  const ValueId x = d.operand(kNumbers);
  const ValueId y = partner(d, x);
  if (!d.all_in(y, 0.2, 1e6) || !d.exact(x) || !d.exact(y)) return false;
  Attributes attributes;
  if (is_float(d, x) || d.chance(0.4)) attributes.set("fmod", int64_t(1));
  return d.add("Mod", {x, y}, attributes, true);
}

bool power(Drawing& d) {
  const ValueId x = d.operand(kFloats);
  return d.all_in(x, 0.1, 6) && d.add("Pow", {x, d.scalar(d.dtype(x), double(d.between(-2, 3)))});
}

bool variadic(Drawing& d) {
  static const std::vector<std::string> kOps{"Min", "Max", "Min", "Max", "Sum", "Mean"};
  const std::string op = d.pick(kOps);
  const bool selects = op == "Min" || op == "Max";
  const ValueId x = d.operand(selects ? kNumbers : kFloats);
  std::vector<ValueId> operands{x};
  for (int64_t more = d.between(0, 2); more > 0; --more) operands.push_back(partner(d, x));
  return d.add(op, operands, {}, selects);
}

bool prelu(Drawing& d) {
  const ValueId x = d.operand(kFloats, 1);
  core::Shape slope(d.shape(x).size(), 1);
  slope.back() = d.shape(x).back();
  return d.add("PRelu", {x, d.leaf(d.dtype(x), slope)});
}

bool bits(Drawing& d) {
  static const std::vector<std::string> kOps{"BitwiseAnd", "BitwiseOr", "BitwiseXor"};
  const ValueId x = d.operand(kIntegers);
  return d.add(d.pick(kOps), {x, partner(d, x)});
}

bool shift(Drawing& d) {
  static const Types kUnsigned{DType::kU64, DType::kU32, DType::kU16, DType::kU8};
  const ValueId x = d.operand(kUnsigned);
  const ValueId y = partner(d, x);
  Attributes attributes;
  attributes.set("direction", std::string(d.chance(0.5) ? "LEFT" : "RIGHT"));
  return d.all_in(y, 0, 7) && d.add("BitShift", {x, y}, attributes);
}

bool comparison(Drawing& d) {
  static const std::vector<std::string> kOps{"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"};
  const ValueId x = d.operand(kNumbers);
  const ValueId y = partner(d, x);
  return d.exact(x) && d.exact(y) && d.add(d.pick(kOps), {x, y});
}

bool logic(Drawing& d) {
  static const std::vector<std::string> kOps{"And", "Or", "Xor", "Equal"};
  const ValueId x = d.operand(kBools);
  return d.add(d.pick(kOps), {x, partner(d, x)});
}

bool where(Drawing& d) {
  const ValueId x = d.operand(kAll);
  const auto is_mask = [&](ValueId id) { return d.dtype(id) == DType::kBool && d.shape(id) == d.shape(x); };
  const auto found = d.chance(0.5) ? d.existing(is_mask) : std::nullopt;
  const ValueId mask = found ? *found : d.leaf(DType::kBool, d.broadcastable(d.shape(x)));
  return d.add("Where", {mask, x, partner(d, x)}, {}, true);
}

bool clip(Drawing& d) {
  const ValueId x = d.operand(kNumbers);
  const bool lowest = d.chance(0.7);
  const bool highest = !lowest || d.chance(0.7);
  std::vector<ValueId> operands{x, lowest ? d.scalar(d.dtype(x), 1) : graph::kNoValue};
  if (highest) operands.push_back(d.scalar(d.dtype(x), double(d.between(1, 4))));
  return d.add("Clip", operands, {}, true);
}

bool cast(Drawing& d) {
  const ValueId x = d.operand(kAll);
  const DType to = d.pick(kAll);
  const bool narrows = !core::dtype_is_float(to);
  const bool is_signed = std::count(kSigned.begin(), kSigned.end(), to) > 0;
  if (narrows && (!d.exact(x) || !d.all_in(x, is_signed ? -100 : 0, 100))) return false;
  Attributes attributes;
  attributes.set("to", int64_t(to));
  return d.add("Cast", {x}, attributes, to != DType::kF16 && to != DType::kBF16);
}

}  // namespace

std::vector<Template> elementwise_templates() {
  return {smooth_unary,  smooth_unary_with_attribute,
          bounded_unary, exact_unary,
          identity,      jumping_unary,
          bit_unary,     arithmetic,
          arithmetic,    division,
          modulo,        power,
          variadic,      prelu,
          bits,          shift,
          comparison,    logic,
          where,         clip,
          cast,          cast};
}

}  // namespace vulcap::test
