#include "loader/conversion/quantization/output_types.h"

#include <set>
#include <string>

#include "loader/conversion/quantization/graph_rewriter.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using Type = proto::TensorProto;
using Names = std::set<std::string>;

const Names kIntegers = {"Shape", "Size", "NonZero", "ArgMax", "ArgMin", "NonMaxSuppression"};
const Names kBooleans = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And",
                         "Or",    "Xor",  "Not",         "IsNaN",   "IsInf"};
const Names kSubgraphs = {"If", "Loop", "Scan", "SequenceMap"};
// The type is that of the second operand.
const Names kSecond = {"Where", "CastLike", "DequantizeLinear"};
// The second output holds positions.
const Names kWithPositions = {"TopK", "MaxPool", "Unique"};

// What the attribute "dtype" or "to" says, where there is one.
int32_t attribute_type(const proto::NodeProto& node, const char* name, int32_t otherwise) {
  return int32_t(integer_attribute(node, name, otherwise));
}

int32_t constant_type(const proto::NodeProto& node) {
  if (node.attribute_size() == 0) return Type::UNDEFINED;
  const proto::AttributeProto& value = node.attribute(0);
  if (value.has_t()) return value.t().data_type();
  if (value.name().starts_with("value_float")) return Type::FLOAT;
  if (value.name().starts_with("value_int")) return Type::INT64;
  return Type::UNDEFINED;
}

int32_t first_type(const proto::NodeProto& node, const std::vector<int32_t>& inputs) {
  const std::string& op = node.op_type();
  const auto input = [&](size_t i) { return i < inputs.size() ? inputs[i] : int32_t(Type::UNDEFINED); };
  if (op == "Cast") return attribute_type(node, "to", Type::UNDEFINED);
  if (op == "Constant") return constant_type(node);
  if (op == "ConstantOfShape") {
    const proto::AttributeProto* value = find_attribute(node, "value");
    return value != nullptr ? value->t().data_type() : int32_t(Type::FLOAT);
  }
  if (op == "OneHot") return input(2);
  if (op == "MatMulInteger" || op == "ConvInteger") return Type::INT32;
  if (op == "DynamicQuantizeLinear") return Type::UINT8;
  if (op == "QuantizeLinear")
    return attribute_type(node, "output_dtype", inputs.size() > 2 ? input(2) : int32_t(Type::UINT8));
  if (op == "EyeLike" || op == "RandomNormalLike" || op == "RandomUniformLike" || op == "Bernoulli")
    return attribute_type(node, "dtype", input(0));
  if (op == "RandomNormal" || op == "RandomUniform") return attribute_type(node, "dtype", Type::FLOAT);
  if (op == "Multinomial") return attribute_type(node, "dtype", Type::INT32);
  if (op.ends_with("Window")) return attribute_type(node, "output_datatype", Type::FLOAT);
  if (op == "EmbedLayerNormalization") return input(2);
  return input(0);
}

}  // namespace

std::vector<int32_t> output_types(const proto::NodeProto& node, const std::vector<int32_t>& inputs) {
  const std::string& op = node.op_type();
  std::vector<int32_t> types(size_t(node.output_size()), Type::UNDEFINED);
  if (kSubgraphs.count(op)) return types;
  int32_t type = first_type(node, inputs);
  if (kIntegers.count(op)) type = Type::INT64;
  if (kBooleans.count(op)) type = Type::BOOL;
  if (kSecond.count(op) && inputs.size() > 1) type = inputs[1];
  for (int32_t& output : types) output = type;
  if (kWithPositions.count(op))
    for (size_t i = 1; i < types.size(); ++i) types[i] = Type::INT64;
  if (op == "Dropout" && types.size() > 1) types[1] = Type::BOOL;
  if (op == "EmbedLayerNormalization" && types.size() > 1) types[1] = Type::INT32;
  return types;
}

}  // namespace vulcap::quantization
