#include "tests/differential/draw.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/core/error.h"
#include "runtime/ops/evaluate.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/ops/op_registry.h"

namespace vulcap::test {
namespace {

constexpr size_t kMostElements = 3000;

// Largest result, so that a type keeps some digits behind the point.
double largest(core::DType dtype) {
  if (dtype == core::DType::kBF16) return 8;
  return dtype == core::DType::kF16 ? 16 : 200;
}

// Few enough digits for sums and products to be free of rounding.
bool few_digits(const core::Tensor& tensor) {
  for (size_t i = 0; i < tensor.size(); ++i) {
    const double scaled = tensor.at_f64(i) * 256;
    if (scaled != std::nearbyint(scaled)) return false;
  }
  return true;
}

graph::Value value_of(const std::string& name, core::Tensor tensor) {
  graph::Value value;
  value.name = name;
  value.dtype = tensor.dtype();
  value.shape = core::SymShape(tensor.shape().begin(), tensor.shape().end());
  value.constant = std::move(tensor);
  return value;
}

}  // namespace

core::Shape Drawing::shape_drawn(size_t min_rank, size_t max_rank) {
  static const std::vector<int64_t> kSizes{1, 1, 2, 3, 3, 4, 5, 7, 8, 13, 33};
  for (;;) {
    core::Shape shape;
    const size_t rank = size_t(between(int64_t(min_rank), int64_t(max_rank)));
    for (size_t i = 0; i < rank; ++i) shape.push_back(chance(0.02) ? 0 : pick(kSizes));
    if (core::element_count(shape) <= kMostElements) return shape;
  }
}

core::Shape Drawing::broadcastable(const core::Shape& shape) {
  core::Shape result = shape;
  for (int64_t& dim : result) {
    if (chance(0.25)) dim = 1;
  }
  if (chance(0.3)) result.erase(result.begin(), result.begin() + int64_t(below(result.size() + 1)));
  if (chance(0.1) && core::element_count(result) < 500) result.insert(result.begin(), between(1, 3));
  return result;
}

core::Tensor Drawing::random_tensor(DType dtype, const core::Shape& shape) {
  core::Tensor tensor(dtype, shape);
  std::byte* data = tensor.mutable_bytes().data();
  const bool is_signed =
      dtype == DType::kI8 || dtype == DType::kI16 || dtype == DType::kI32 || dtype == DType::kI64;
  for (size_t i = 0; i < tensor.size(); ++i) {
    if (core::dtype_is_float(dtype)) {
      ops::store_real(dtype, data, i, double(between(-32, 32)) / 8);
    } else {
      ops::store_int(dtype, data, i, dtype == DType::kBool ? between(0, 1) : between(is_signed ? -6 : 0, 9));
    }
  }
  return tensor;
}

Drawing::ValueId Drawing::add_value(core::Tensor tensor, bool exact, bool drawn) {
  const ValueId id =
      graph_.add_value(value_of("v" + std::to_string(graph_.values.size()), std::move(tensor)));
  exact_.push_back(exact);
  is_initializer_.push_back(false);
  if (drawn) drawn_.push_back(id);
  return id;
}

Drawing::ValueId Drawing::leaf(DType dtype, const core::Shape& shape) {
  const ValueId id = add_value(random_tensor(dtype, shape), true, true);
  if (chance(0.33)) {
    is_initializer_[size_t(id)] = true;
  } else {
    graph_.inputs.push_back(id);
  }
  return id;
}

Drawing::ValueId Drawing::constant(core::Tensor tensor) {
  const ValueId id = add_value(std::move(tensor), true, false);
  is_initializer_[size_t(id)] = true;
  return id;
}

Drawing::ValueId Drawing::ints(const std::vector<int64_t>& values) {
  return constant(core::Tensor::from<int64_t>(DType::kI64, {int64_t(values.size())}, values));
}

Drawing::ValueId Drawing::scalar(DType dtype, double value) {
  core::Tensor tensor(dtype, {});
  if (core::dtype_is_float(dtype)) {
    ops::store_real(dtype, tensor.mutable_bytes().data(), 0, value);
  } else {
    ops::store_int(dtype, tensor.mutable_bytes().data(), 0, int64_t(value));
  }
  return constant(std::move(tensor));
}

Drawing::ValueId Drawing::operand(const std::vector<DType>& dtypes, size_t min_rank, size_t max_rank) {
  const auto fits = [&](ValueId id) {
    const size_t rank = shape(id).size();
    return std::count(dtypes.begin(), dtypes.end(), dtype(id)) > 0 && rank >= min_rank && rank <= max_rank;
  };
  if (chance(0.85)) {
    if (const auto found = existing(fits)) return *found;
  }
  return leaf(pick(dtypes), shape_drawn(min_rank, max_rank));
}

bool Drawing::all_in(ValueId id, double low, double high) const {
  const core::Tensor& values = tensor(id);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values.at_f64(i) >= low && values.at_f64(i) <= high)) return false;
  }
  return true;
}

bool Drawing::accept(const std::vector<core::Tensor>& results) const {
  for (const core::Tensor& result : results) {
    if (result.size() > 4 * kMostElements) return false;
    for (size_t i = 0; i < result.size(); ++i) {
      if (!(std::abs(result.at_f64(i)) <= largest(result.dtype()))) return false;
    }
  }
  return true;
}

bool Drawing::add(const std::string& op, std::vector<ValueId> operands, graph::Attributes attributes,
                  bool keeps_exact, size_t outputs) {
  const ops::OpDef* def = ops::op_registry().find("", op);
  if (def == nullptr || def->lower == nullptr) return false;
  graph::Graph trial = graph_;
  graph::Node node{
      op, "", op + std::to_string(graph_.nodes.size()), std::move(operands), {}, std::move(attributes)};
  for (size_t i = 0; i < outputs; ++i) {
    graph::Value value;
    value.name = "v" + std::to_string(trial.values.size());
    node.outputs.push_back(trial.add_value(std::move(value)));
  }
  std::vector<core::Tensor> results;
  try {
    ops::infer_node(trial, node);
    bool known = true;
    for (ValueId out : node.outputs) known = known && trial.value(out).constant.has_value();
    if (known) {
      for (ValueId out : node.outputs) results.push_back(*trial.value(out).constant);
    } else {
      results = ops::evaluate(trial, node);
    }
  } catch (const core::Error&) {
    return false;  // a combination that the rule refuses
  }
  if (!accept(results)) return false;
  bool exact_operands = true;
  for (ValueId in : node.inputs) exact_operands = exact_operands && (in == graph::kNoValue || exact(in));
  for (core::Tensor& result : results) {
    const bool integer = !core::dtype_is_float(result.dtype());
    const bool is_exact = exact_operands && (integer || (keeps_exact && few_digits(result)));
    add_value(std::move(result), is_exact, true);
  }
  graph_.nodes.push_back(std::move(node));
  return true;
}

DrawnCase Drawing::finish(uint64_t seed) {
  DrawnCase result;
  result.seed = seed;
  result.graph = graph_;
  graph::Graph& graph = result.graph;
  std::set<ValueId> read, made;
  for (const graph::Node& node : graph.nodes) {
    read.insert(node.inputs.begin(), node.inputs.end());
    made.insert(node.outputs.begin(), node.outputs.end());
  }
  std::erase_if(graph.inputs, [&](ValueId id) { return read.count(id) == 0; });
  for (ValueId id : graph.inputs) result.inputs[graph.value(id).name] = tensor(id);
  for (ValueId id : made) {
    if (read.count(id) == 0) graph.outputs.push_back(id);
  }
  for (ValueId id : graph.outputs) {
    result.expected[graph.value(id).name] = tensor(id);
    if (exact(id)) result.exact.insert(graph.value(id).name);
  }
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (is_initializer_[i]) continue;
    graph.values[i].constant.reset();
    graph.values[i].fact = {};
    if (made.count(ValueId(i))) graph.values[i].shape.reset();
  }
  return result;
}

DrawnCase draw_case(uint64_t seed) {
  static const std::vector<std::vector<Template>> kFamilies{elementwise_templates(), movement_templates(),
                                                            compute_templates()};
  Drawing drawing(seed);
  const int nodes = int(drawing.between(1, 6));
  for (int made = 0, tries = 0; made < nodes && tries < 200; ++tries)
    made += drawing.pick(drawing.pick(kFamilies))(drawing) ? 1 : 0;
  return drawing.finish(seed);
}

}  // namespace vulcap::test
