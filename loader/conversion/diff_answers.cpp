// compare_answers.
#include <algorithm>
#include <set>

#include "loader/conversion/diff.h"
#include "loader/seeded_inputs.h"
#include "runtime/core/error.h"
#include "runtime/ops/kernels/element.h"
#include "runtime/passes/specialise.h"

namespace vulcap::conversion {
namespace {

using core::Tensor;
using graph::Graph;
using graph::ValueId;
using loader::TensorDifference;

// So many values are compared in one run while the first that diverges is looked for.
constexpr size_t kValuesAtOnce = 64;

Tensor converted(const Tensor& tensor, core::DType dtype) {
  const bool real = core::dtype_is_float(tensor.dtype()) && core::dtype_is_float(dtype);
  if (tensor.dtype() == dtype || !real) return tensor;
  Tensor result(dtype, tensor.shape());
  for (size_t i = 0; i < tensor.size(); ++i)
    ops::store_real(dtype, result.mutable_bytes().data(), i, tensor.at_f64(i));
  return result;
}

session::NamedTensors inputs_for(const Graph& graph, const session::NamedTensors& inputs) {
  session::NamedTensors result;
  for (const ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    const auto given = inputs.find(value.name);
    if (given == inputs.end())
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "input '" + value.name + "' (" + loader::type_text(value) + ") has no value");
    result[value.name] = converted(given->second, value.dtype);
  }
  return result;
}

// The graph without branches and shape arithmetic, for these inputs; none where sizes depend on data.
std::optional<Graph> flattened(const Graph& graph, const session::NamedTensors& inputs) {
  std::map<std::string, passes::InputSpec> specs;
  for (const auto& [name, tensor] : inputs) {
    specs[name].shape.assign(tensor.shape().begin(), tensor.shape().end());
    if (tensor.dtype() == core::DType::kBool && tensor.size() == 1) specs[name].constant = tensor;
  }
  passes::Stage stage = passes::specialise_in_stages(graph, specs, {});
  return stage.complete ? std::optional(std::move(stage.graph)) : std::nullopt;
}

TensorDifference difference_of(const Tensor& a, const Tensor& b) {
  return loader::difference(converted(b, a.dtype()), a);
}

bool agrees(const TensorDifference& difference, const Tensor& a, double tolerance) {
  if (!difference.mismatch.empty()) return false;
  return core::dtype_is_float(a.dtype()) ? difference.max_rel <= tolerance : difference.max_abs == 0;
}

class Search {
 public:
  Search(const Graph& a, const Graph& b, session::Device& device, double tolerance)
      : a_(a), b_(b), device_(device), tolerance_(tolerance) {
    for (const graph::Node& node : b.nodes)
      for (const ValueId id : node.outputs)
        if (id != graph::kNoValue) in_b_.emplace(b.value(id).name, &node);
  }

  void run(const session::NamedTensors& inputs_a, const session::NamedTensors& inputs_b, AnswersDiff& diff) {
    std::vector<std::string> names;
    for (const graph::Node& node : a_.nodes) {
      for (const ValueId id : node.outputs) {
        if (id == graph::kNoValue || !in_b_.count(a_.value(id).name)) continue;
        in_a_.emplace(a_.value(id).name, &node);
        names.push_back(a_.value(id).name);
      }
    }
    for (size_t begin = 0; begin < names.size() && !diff.first; begin += kValuesAtOnce) {
      const size_t end = std::min(begin + kValuesAtOnce, names.size());
      const std::vector<std::string> some(names.begin() + int64_t(begin), names.begin() + int64_t(end));
      const auto from_a = values_of(a_, some, inputs_a), from_b = values_of(b_, some, inputs_b);
      for (const std::string& name : some) {
        if (!from_a.count(name) || !from_b.count(name)) continue;
        ++diff.values_compared;
        const TensorDifference difference = difference_of(from_a.at(name), from_b.at(name));
        if (agrees(difference, from_a.at(name), tolerance_)) continue;
        diff.first = Divergence{name, node_text(*in_a_.at(name)), node_text(*in_b_.at(name)), difference};
        break;
      }
    }
  }

 private:
  static std::string node_text(const graph::Node& node) {
    return node.name + " (" + (node.domain.empty() ? "" : node.domain + ".") + node.op + ")";
  }

  session::NamedTensors values_of(Graph graph, const std::vector<std::string>& names,
                                  const session::NamedTensors& inputs) {
    const std::set<std::string> wanted(names.begin(), names.end());
    graph.outputs.clear();
    for (const graph::Node& node : graph.nodes)
      for (const ValueId id : node.outputs)
        if (id != graph::kNoValue && wanted.count(graph.value(id).name)) graph.outputs.push_back(id);
    graph::remove_dead_nodes(graph);
    return session::Session(device_, std::move(graph)).run(inputs);
  }

  const Graph& a_;
  const Graph& b_;
  session::Device& device_;
  double tolerance_;
  std::map<std::string, const graph::Node*> in_a_, in_b_;  // values of both -> the nodes that produce them
};

void search(const Graph& a, const Graph& b, const session::NamedTensors& inputs_a,
            const session::NamedTensors& inputs_b, session::Device& device, double tolerance,
            AnswersDiff& diff) {
  const auto flat_a = flattened(a, inputs_a), flat_b = flattened(b, inputs_b);
  if (flat_a && flat_b) Search(*flat_a, *flat_b, device, tolerance).run(inputs_a, inputs_b, diff);
}

}  // namespace

bool AnswersDiff::agree() const {
  return problem.empty() &&
         std::all_of(outputs.begin(), outputs.end(), [](const OutputDiff& output) { return output.agrees; });
}

AnswersDiff compare_answers(const Graph& a, const Graph& b, const session::NamedTensors& inputs,
                            session::Device& device, const AnswerOptions& options) {
  AnswersDiff diff;
  try {
    const session::NamedTensors inputs_a = inputs_for(a, inputs), inputs_b = inputs_for(b, inputs);
    const session::NamedTensors from_a = session::Session(device, a, options.passes).run(inputs_a);
    const session::NamedTensors from_b = session::Session(device, b, options.passes).run(inputs_b);
    for (const auto& [name, want] : from_a) {
      const auto got = from_b.find(name);
      OutputDiff output{name, {}, false};
      if (got == from_b.end()) {
        output.difference.mismatch = "B has no such output";
      } else {
        output.difference = difference_of(want, got->second);
        output.agrees = agrees(output.difference, want, options.tolerance);
      }
      diff.outputs.push_back(std::move(output));
    }
    if (!diff.agree() && options.search) search(a, b, inputs_a, inputs_b, device, options.tolerance, diff);
  } catch (const core::Error& error) {
    diff.problem = error.message();
  }
  return diff;
}

}  // namespace vulcap::conversion
