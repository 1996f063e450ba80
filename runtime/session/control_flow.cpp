#include "runtime/session/control_flow.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/core/error.h"

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

}  // namespace

Graph closed_body(const Graph& body, const std::vector<Tensor>& operands) {
  Graph closed = body;
  for (const auto& [id, input] : closed.captures) {
    graph::Value& value = closed.value(id);
    value.dtype = operands.at(input).dtype();
    value.name += "/captured";
    closed.inputs.push_back(id);
  }
  return closed;
}

std::vector<Tensor> Body::run(std::vector<Tensor> own, const std::vector<Tensor>& operands) const {
  const Graph& graph = session.graph();
  for (const auto& [id, input] : graph.captures) own.push_back(operands.at(input));
  NamedTensors inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) inputs[graph.value(graph.inputs[i]).name] = own.at(i);
  const NamedTensors named = session.run(inputs);
  std::vector<Tensor> outputs;
  for (graph::ValueId out : graph.outputs) outputs.push_back(named.at(graph.value(out).name));
  return outputs;
}

Tensor Body::scalar(size_t input, DType dtype, int64_t value) const {
  const auto& declared = session.graph().value(session.graph().inputs.at(input)).shape;
  Tensor tensor(dtype, declared && declared->size() == 1 ? Shape{1} : Shape{});
  std::memcpy(tensor.mutable_bytes().data(), &value, tensor.bytes().size());
  return tensor;
}

const graph::Value& Body::output(size_t i) const {
  return session.graph().value(session.graph().outputs.at(i));
}

std::vector<Tensor> run_loop(const Body& body, const Node& node, const std::vector<Tensor>& operands) {
  if (body.own_inputs < 2 || body.outputs() < body.own_inputs - 1)
    throw Error(ErrorCode::kInvalidModel, "the body lacks inputs or outputs");
  const size_t states = body.own_inputs - 2;
  const size_t scans = body.outputs() - 1 - states;
  const bool limited = operands.at(0).dtype() != DType::kUndefined;
  const int64_t limit = limited ? operands[0].at_i64(0) : std::numeric_limits<int64_t>::max();
  bool go_on = operands.at(1).dtype() == DType::kUndefined || operands[1].at_i64(0) != 0;
  std::vector<Tensor> state(operands.begin() + 2, operands.begin() + 2 + int64_t(states));
  std::vector<std::vector<Tensor>> items(scans);
  for (int64_t i = 0; i < limit && go_on; ++i) {
    std::vector<Tensor> own{body.scalar(0, DType::kI64, i), body.scalar(1, DType::kBool, 1)};
    own.insert(own.end(), state.begin(), state.end());
    std::vector<Tensor> outputs = body.run(std::move(own), operands);
    go_on = outputs[0].at_i64(0) != 0;
    for (size_t s = 0; s < states; ++s) state[s] = outputs[1 + s];
    for (size_t s = 0; s < scans; ++s) items[s].push_back(outputs[1 + states + s]);
  }
  for (size_t s = 0; s < scans; ++s) state.push_back(stacked(items[s], 0, body.output(1 + states + s)));
  state.resize(node.outputs.size());
  return state;
}

std::vector<Tensor> run_scan(const Body& body, const Node& node, const std::vector<Tensor>& operands) {
  const auto scan_inputs = size_t(node.attributes.integer("num_scan_inputs", 0));
  if (scan_inputs == 0 || scan_inputs > body.own_inputs || body.outputs() < body.own_inputs - scan_inputs)
    throw Error(ErrorCode::kInvalidModel, "num_scan_inputs does not fit the body");
  const size_t states = body.own_inputs - scan_inputs;
  const size_t scans = body.outputs() - states;
  const auto attribute = [&](std::string_view name, size_t i) {
    const auto list = node.attributes.integers(name);
    return i < list.size() ? list[i] : 0;
  };
  std::vector<Tensor> state(operands.begin(), operands.begin() + int64_t(states));
  std::vector<size_t> axes;
  for (size_t i = 0; i < scan_inputs; ++i)
    axes.push_back(axis_of(attribute("scan_input_axes", i), operands.at(states + i).shape().size()));
  const int64_t length = operands.at(states).shape().at(axes[0]);
  std::vector<std::vector<Tensor>> items(scans);
  for (int64_t step = 0; step < length; ++step) {
    std::vector<Tensor> own = state;
    for (size_t i = 0; i < scan_inputs; ++i) {
      const bool backwards = attribute("scan_input_directions", i) != 0;
      if (operands[states + i].shape()[axes[i]] != length)
        throw Error(ErrorCode::kInvalidModel, "scan inputs differ in length");
      own.push_back(slice_at(operands[states + i], axes[i], size_t(backwards ? length - 1 - step : step)));
    }
    std::vector<Tensor> outputs = body.run(std::move(own), operands);
    for (size_t s = 0; s < states; ++s) state[s] = outputs[s];
    for (size_t s = 0; s < scans; ++s) items[s].push_back(outputs[states + s]);
  }
  for (size_t s = 0; s < scans; ++s) {
    if (attribute("scan_output_directions", s) != 0) std::reverse(items[s].begin(), items[s].end());
    state.push_back(stacked(items[s], attribute("scan_output_axes", s), body.output(states + s)));
  }
  state.resize(node.outputs.size());
  return state;
}

}  // namespace vulcap::session
