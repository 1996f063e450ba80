#include "runtime/ops/op_registry.h"

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {

using core::Error;
using core::ErrorCode;

const OpDef* OpRegistry::find(std::string_view domain, std::string_view op) const {
  const auto entry = defs_.find(std::string(domain) + "." + std::string(op));
  return entry == defs_.end() ? nullptr : &entry->second;
}

const OpRegistry& op_registry() {
  static const OpRegistry registry = [] {
    OpRegistry result;
    register_all_ops(result);
    return result;
  }();
  return registry;
}

const Value& InferContext::in(size_t i) const {
  if (!has(i)) fail("input " + std::to_string(i) + " is missing");
  return graph_.value(node_.inputs[i]);
}

const SymShape& InferContext::shape(size_t i) const {
  const Value& value = in(i);
  if (!value.shape) fail("the shape of input '" + value.name + "' is not known");
  return *value.shape;
}

std::optional<std::vector<Dim>> InferContext::ints(size_t i) const {
  const Value& value = in(i);
  if (value.fact.ints) return value.fact.ints;
  if (!value.constant || value.constant->shape().size() > 1) return std::nullopt;
  if (!core::dtype_is_integer(value.dtype) && value.dtype != DType::kBool) return std::nullopt;
  std::vector<Dim> result;
  for (size_t k = 0; k < value.constant->size(); ++k) result.emplace_back(value.constant->at_i64(k));
  return result;
}

std::vector<Dim> InferContext::need_ints(size_t i) const {
  auto result = ints(i);
  if (!result)
    throw NeedsValue(i, "input '" + in(i).name + "' must be known before the run but depends on data");
  return *result;
}

std::vector<int64_t> InferContext::need_constants(size_t i) const {
  std::vector<int64_t> result;
  for (const Dim& dim : need_ints(i)) {
    if (!dim.is_constant()) fail("input '" + in(i).name + "' must be constant but is " + dim.text());
    result.push_back(dim.value());
  }
  return result;
}

core::Tensor InferContext::need_tensor(size_t i) const {
  const Value& value = in(i);
  if (value.constant) return *value.constant;
  const auto known = value.shape && core::is_static(*value.shape) ? ints(i) : std::nullopt;
  if (!known || !core::is_static(*known))
    throw NeedsValue(i, "input '" + value.name + "' must be known before the run but depends on data");
  core::Shape shape;
  for (const Dim& dim : *value.shape) shape.push_back(dim.value());
  return integers_tensor(value.dtype, std::move(shape), *known);
}

std::optional<double> InferContext::splat(size_t i) const {
  const Value& value = in(i);
  if (value.fact.splat) return value.fact.splat;
  if (!value.constant || value.constant->size() == 0 || value.constant->size() > 4096) return std::nullopt;
  const double first = value.constant->at_f64(0);
  for (size_t k = 1; k < value.constant->size(); ++k) {
    if (value.constant->at_f64(k) != first) return std::nullopt;
  }
  return first;
}

size_t InferContext::axis(int64_t value, size_t rank) const {
  const int64_t signed_rank = int64_t(rank);
  if (value < -signed_rank || value >= signed_rank) {
    fail("axis " + std::to_string(value) + " is outside a tensor of rank " + std::to_string(rank));
  }
  return size_t(value < 0 ? value + signed_rank : value);
}

void InferContext::set(size_t output, DType dtype, SymShape shape, Fact fact) {
  if (output >= node_.outputs.size() || node_.outputs[output] == graph::kNoValue) return;
  Value& value = graph_.value(node_.outputs[output]);
  value.dtype = dtype;
  value.shape = std::move(shape);
  value.fact = std::move(fact);
}

void InferContext::set_constant(size_t output, core::Tensor tensor) {
  set(output, tensor.dtype(), SymShape(tensor.shape().begin(), tensor.shape().end()));
  if (output < node_.outputs.size() && node_.outputs[output] != graph::kNoValue)
    graph_.value(node_.outputs[output]).constant = std::move(tensor);
}

void InferContext::same_dtype(size_t i, size_t j) const {
  if (dtype(i) == dtype(j)) return;
  fail("operands differ in dtype: " + std::string(core::dtype_name(dtype(i))) + " and " +
       std::string(core::dtype_name(dtype(j))));
}

void InferContext::undecided(const std::string& message) const {
  throw NeedsStaticShape(ErrorCode::kInvalidModel, message);
}

void InferContext::fail(const std::string& message) const { throw Error(ErrorCode::kInvalidModel, message); }

core::Shape LowerContext::static_shape(ValueId id) const {
  core::Shape result;
  for (const Dim& dim : sym_shape(id)) {
    if (!dim.is_constant()) {
      throw NeedsStaticShape(ErrorCode::kInvalidModel, node_.op + " needs the number behind dimension " +
                                                           dim.text() + " of '" + value(id).name + "'");
    }
    result.push_back(dim.value());
  }
  return result;
}

std::pair<int64_t, int64_t> LowerContext::affine(const Dim& dim) const {
  const auto result = dim.affine_in(core::intern_symbol(kPastSymbol));
  if (!result)
    throw NeedsStaticShape(ErrorCode::kInvalidModel, node_.op + " needs the number behind " + dim.text());
  return *result;
}

std::vector<int64_t> LowerContext::constants(size_t i) const {
  const Value& operand = value(in(i));
  std::vector<int64_t> result;
  if (operand.constant) {
    for (size_t k = 0; k < operand.constant->size(); ++k) result.push_back(operand.constant->at_i64(k));
  } else if (operand.fact.ints) {
    for (const Dim& dim : *operand.fact.ints) {
      const auto [base, coefficient] = affine(dim);
      if (coefficient != 0)
        throw NeedsStaticShape(ErrorCode::kInvalidModel, node_.op + " needs the number behind " + dim.text());
      result.push_back(base);
    }
  } else {
    fail("input '" + operand.name + "' must be known before the run but depends on data");
  }
  return result;
}

ValueId LowerContext::temp(DType dtype, core::Shape shape) {
  Value scratch;
  scratch.name = node_.name + "#" + std::to_string(graph_.values.size());
  scratch.dtype = dtype;
  scratch.shape = SymShape(shape.begin(), shape.end());
  return graph_.add_value(std::move(scratch));
}

void LowerContext::fail(const std::string& message) const {
  throw Error(ErrorCode::kInvalidModel, "node '" + node_.name + "' (" + node_.op + "): " + message);
}

void infer_node(Graph& graph, const Node& node) {
  const OpDef* def = op_registry().find(node.domain, node.op);
  try {
    if (def == nullptr) throw Error(ErrorCode::kInvalidModel, "operator is not supported");
    if (def->infer == nullptr)
      throw Error(ErrorCode::kInvalidModel, "operator is only known where it is expanded");
    InferContext context(graph, node);
    def->infer(context);
  } catch (Error& error) {
    error.add_context("node '" + node.name + "' (" + (node.domain.empty() ? "" : node.domain + ".") +
                      node.op + ")");
    throw;
  }
}

}  // namespace vulcap::ops
