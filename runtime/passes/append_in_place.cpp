// Concat(past, new) along the position axis becomes a write behind the cached positions when the past has
// room (graph::Value::capacity): no bytes of the past move.
#include "runtime/ops/attention.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/strided_view.h"

namespace vulcap::passes {
namespace {

std::optional<Patch> append(Matcher& m, const Node& node) {
  if (!node.is("Concat") || node.inputs.size() != 2) return std::nullopt;
  const ValueId past = node.inputs[0];
  const int64_t capacity = m.value(past).capacity;
  const auto& shape = m.shape(past);
  if (capacity == 0 || m.producer(past) != nullptr || shape.size() != 4 || !m.single_data_use(past)) {
    return std::nullopt;
  }
  const int64_t axis = node.attributes.integer("axis", 0);
  const StridedView source = strided_view(m, node.inputs[1]);
  if ((axis != 2 && axis != -2) || !source.known || !source.shape[2].is_constant() || source.strides[3] != 1)
    return std::nullopt;
  graph::Attributes attributes;
  attributes.set("length", source.shape[2].value());
  attributes.set(
      "view", std::vector<int64_t>{source.offset, source.strides[0], source.strides[1], source.strides[2]});
  Node result =
      m.make(std::string(ops::kKvAppend), "vulcap", node.name, {past, source.root}, std::move(attributes));
  m.graph().value(result.outputs[0]).capacity = capacity;
  return replace_with(node.outputs[0], std::move(result));
}

// fp16 files with fp32 inputs and outputs cast the whole past to f16 and back in every step. The cache then
// holds f16: the session owns it, and no value changes, since each position is rounded once either way.
std::optional<Patch> store_as_cast(Matcher& m, const Node& node) {
  if (!node.is("Cast")) return std::nullopt;
  const ValueId past = node.inputs[0];
  const bool cached_input =
      m.value(past).capacity > 0 && m.producer(past) == nullptr && m.single_data_use(past);
  if (!cached_input || !core::dtype_is_float(m.value(node.outputs[0]).dtype)) return std::nullopt;
  Value& cache = m.graph().value(past);
  cache.dtype = m.value(node.outputs[0]).dtype;
  return replace(node.outputs[0], past);
}

std::optional<Patch> output_as_stored(Matcher& m, const Node& node) {
  if (!node.is("Cast") || !m.is_output(node.outputs[0])) return std::nullopt;
  if (m.producer(node.inputs[0], ops::kKvAppend, "vulcap") == nullptr || m.is_output(node.inputs[0]))
    return std::nullopt;
  return replace(node.outputs[0], node.inputs[0]);
}

}  // namespace

int append_in_place(Graph& graph) { return apply_rules(graph, {store_as_cast, append, output_as_stored}); }

}  // namespace vulcap::passes
