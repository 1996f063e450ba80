#include "runtime/session/control_flow.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/passes/sequences.h"

namespace vulcap::session {
namespace {

using core::DType;
using core::Error;
using core::ErrorCode;
using core::Shape;
using core::Tensor;
using graph::Graph;
using graph::Node;

// A tensor seen as [outer, size, inner bytes] around one axis.
struct AxisView {
  size_t outer = 1;
  size_t size = 1;
  size_t inner_bytes = 1;

  AxisView(const Tensor& tensor, size_t axis) : size(size_t(tensor.shape()[axis])) {
    size_t inner = 1;
    for (size_t i = 0; i < axis; ++i) outer *= size_t(tensor.shape()[i]);
    for (size_t i = axis + 1; i < tensor.shape().size(); ++i) inner *= size_t(tensor.shape()[i]);
    inner_bytes = core::dtype_bytes(tensor.dtype(), inner);
  }
};

size_t axis_of(int64_t axis, size_t rank) {
  const int64_t at = axis < 0 ? axis + int64_t(rank) : axis;
  if (at < 0 || at >= int64_t(rank))
    throw Error(ErrorCode::kInvalidModel, "axis " + std::to_string(axis) + " is outside the tensor");
  return size_t(at);
}

Tensor slice_at(const Tensor& tensor, size_t axis, size_t index) {
  Shape shape = tensor.shape();
  shape.erase(shape.begin() + int64_t(axis));
  Tensor result(tensor.dtype(), shape);
  const AxisView view(tensor, axis);
  for (size_t o = 0; o < view.outer; ++o) {
    std::memcpy(result.mutable_bytes().data() + o * view.inner_bytes,
                tensor.bytes().data() + (o * view.size + index) * view.inner_bytes, view.inner_bytes);
  }
  return result;
}

// The tensors of an iteration each, stacked along a new axis; `declared` gives dtype and shape of one where
// there is none.
Tensor stacked(const std::vector<Tensor>& items, int64_t axis, const graph::Value& declared) {
  Shape shape;
  if (!items.empty()) {
    shape = items[0].shape();
  } else if (declared.shape) {
    for (const core::Dim& dim : *declared.shape) shape.push_back(dim.is_constant() ? dim.value() : 0);
  }
  const size_t at = axis_of(axis, shape.size() + 1);
  shape.insert(shape.begin() + int64_t(at), int64_t(items.size()));
  Tensor result(items.empty() ? declared.dtype : items[0].dtype(), shape);
  const AxisView view(result, at);
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].shape() != items[0].shape())
      throw Error(ErrorCode::kRuntime, "iterations give outputs of different shapes");
    for (size_t o = 0; o < view.outer; ++o) {
      std::memcpy(result.mutable_bytes().data() + (o * view.size + i) * view.inner_bytes,
                  items[i].bytes().data() + o * view.inner_bytes, view.inner_bytes);
    }
  }
  return result;
}

const Tensor& tensor_of(const Operand& operand) {
  if (!operand.is_tensor()) throw Error(ErrorCode::kInvalidModel, "a tensor is expected where there is none");
  return operand.tensors[0];
}

}  // namespace

Graph closed_body(const Graph& body, const Operands& operands) {
  Graph closed = body;
  const auto adopt = [&](graph::ValueId id, size_t operand) {
    const Operand& given = operands.at(operand);
    graph::Value& value = closed.value(id);
    value.is_sequence = value.is_sequence || given.is_sequence;
    if (value.dtype == DType::kUndefined && !given.tensors.empty()) value.dtype = given.tensors[0].dtype();
  };
  for (size_t i = 0; i < body.inputs.size() && i < operands.size(); ++i) adopt(body.inputs[i], i);
  for (const auto& [id, input] : closed.captures) {
    adopt(id, input);
    closed.value(id).name += "/captured";
    closed.inputs.push_back(id);
  }
  return closed;
}

Operands Body::run(Operands own, const Operands& operands) const {
  const Graph& graph = session.graph();
  for (const auto& [id, input] : graph.captures) own.push_back(operands.at(input));
  NamedTensors inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const std::string& name = graph.value(graph.inputs[i]).name;
    const Operand& operand = own.at(i);
    for (size_t k = 0; k < operand.tensors.size(); ++k)
      inputs[operand.is_sequence ? passes::element_name(name, k) : name] = operand.tensors[k];
  }
  const NamedTensors named = session.run(inputs);
  Operands outputs;
  for (graph::ValueId out : graph.outputs) {
    const std::string& name = graph.value(out).name;
    const auto tensor = named.find(name);
    Operand output{tensor == named.end(), {}};
    if (!output.is_sequence) output.tensors.push_back(tensor->second);
    for (size_t k = 0; output.is_sequence && named.count(passes::element_name(name, k)); ++k)
      output.tensors.push_back(named.at(passes::element_name(name, k)));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Operand Body::scalar(size_t input, DType dtype, int64_t value) const {
  const auto& declared = session.graph().value(session.graph().inputs.at(input)).shape;
  Tensor tensor(dtype, declared && declared->size() == 1 ? Shape{1} : Shape{});
  std::memcpy(tensor.mutable_bytes().data(), &value, tensor.bytes().size());
  return {false, {std::move(tensor)}};
}

const graph::Value& Body::output(size_t i) const {
  return session.graph().value(session.graph().outputs.at(i));
}

Operands run_loop(const Body& body, const Node& node, const Operands& operands) {
  if (body.own_inputs < 2 || body.outputs() < body.own_inputs - 1 || operands.size() < body.own_inputs)
    throw Error(ErrorCode::kInvalidModel, "the body does not fit the node's inputs");
  const size_t states = body.own_inputs - 2;
  const size_t scans = body.outputs() - 1 - states;
  const int64_t limit =
      operands[0].is_tensor() ? tensor_of(operands[0]).at_i64(0) : std::numeric_limits<int64_t>::max();
  bool go_on = !operands[1].is_tensor() || tensor_of(operands[1]).at_i64(0) != 0;
  Operands state(operands.begin() + 2, operands.begin() + 2 + int64_t(states));
  std::vector<std::vector<Tensor>> items(scans);
  for (int64_t i = 0; i < limit && go_on; ++i) {
    Operands own{body.scalar(0, DType::kI64, i), body.scalar(1, DType::kBool, 1)};
    own.insert(own.end(), state.begin(), state.end());
    const Operands outputs = body.run(std::move(own), operands);
    go_on = tensor_of(outputs[0]).at_i64(0) != 0;
    std::copy_n(outputs.begin() + 1, states, state.begin());
    for (size_t s = 0; s < scans; ++s) items[s].push_back(tensor_of(outputs[1 + states + s]));
  }
  for (size_t s = 0; s < scans; ++s)
    state.push_back({false, {stacked(items[s], 0, body.output(1 + states + s))}});
  state.resize(node.outputs.size());
  return state;
}

namespace {

// How Scan walks its operands: the numbers of one of its list attributes, 0 where none is given.
class ScanSettings {
 public:
  explicit ScanSettings(const graph::Attributes& attributes) : attributes_(attributes) {}
  int64_t at(std::string_view name, size_t i) const {
    const auto list = attributes_.integers(name);
    return i < list.size() ? list[i] : 0;
  }

 private:
  const graph::Attributes& attributes_;
};

Operands scan_once(const Body& body, const Node& node, size_t states, const Operands& operands) {
  const ScanSettings settings(node.attributes);
  const size_t scans = body.outputs() - states;
  const size_t scan_inputs = body.own_inputs - states;
  Operands state(operands.begin(), operands.begin() + int64_t(states));
  std::vector<size_t> axes;
  for (size_t i = 0; i < scan_inputs; ++i) {
    axes.push_back(
        axis_of(settings.at("scan_input_axes", i), tensor_of(operands[states + i]).shape().size()));
  }
  const int64_t length = tensor_of(operands[states]).shape().at(axes[0]);
  std::vector<std::vector<Tensor>> items(scans);
  for (int64_t step = 0; step < length; ++step) {
    Operands own = state;
    for (size_t i = 0; i < scan_inputs; ++i) {
      const Tensor& from = tensor_of(operands[states + i]);
      if (from.shape()[axes[i]] != length)
        throw Error(ErrorCode::kInvalidModel, "scan inputs differ in length");
      const bool backwards = settings.at("scan_input_directions", i) != 0;
      own.push_back({false, {slice_at(from, axes[i], size_t(backwards ? length - 1 - step : step))}});
    }
    const Operands outputs = body.run(std::move(own), operands);
    std::copy_n(outputs.begin(), states, state.begin());
    for (size_t s = 0; s < scans; ++s) items[s].push_back(tensor_of(outputs[states + s]));
  }
  for (size_t s = 0; s < scans; ++s) {
    if (settings.at("scan_output_directions", s) != 0) std::reverse(items[s].begin(), items[s].end());
    state.push_back(
        {false, {stacked(items[s], settings.at("scan_output_axes", s), body.output(states + s))}});
  }
  state.resize(node.outputs.size());
  return state;
}

// Scan-8: every operand has a batch axis in front, and each member is scanned alone.
Operands scan_batch(const Body& body, const Node& node, size_t states, const Operands& operands) {
  if (operands.at(0).is_tensor())
    throw Error(ErrorCode::kInvalidModel, "sequence_lens is not supported; export with opset 9 or newer");
  const int64_t batch = tensor_of(operands.at(1)).shape().at(0);
  std::vector<std::vector<Tensor>> items(node.outputs.size());
  for (int64_t b = 0; b < batch; ++b) {
    Operands member(operands.begin() + 1, operands.end());
    for (size_t i = 0; i < body.own_inputs; ++i)
      member[i].tensors = {slice_at(tensor_of(member[i]), 0, size_t(b))};
    const Operands outputs = scan_once(body, node, states, member);
    for (size_t i = 0; i < items.size(); ++i) items[i].push_back(tensor_of(outputs[i]));
  }
  Operands result;
  for (size_t i = 0; i < items.size(); ++i) result.push_back({false, {stacked(items[i], 0, body.output(i))}});
  return result;
}

}  // namespace

Operands run_scan(const Body& body, const Node& node, const Operands& operands) {
  const auto scan_inputs = size_t(node.attributes.integer("num_scan_inputs", 0));
  const bool batched = node.attributes.integer("batched", 0) != 0;
  const bool fits = scan_inputs > 0 && scan_inputs <= body.own_inputs &&
                    body.outputs() >= body.own_inputs - scan_inputs &&
                    operands.size() >= body.own_inputs + (batched ? 1 : 0);
  if (!fits) throw Error(ErrorCode::kInvalidModel, "num_scan_inputs does not fit the body");
  const size_t states = body.own_inputs - scan_inputs;
  return batched ? scan_batch(body, node, states, operands) : scan_once(body, node, states, operands);
}

}  // namespace vulcap::session
