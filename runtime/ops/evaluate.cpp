#include "runtime/ops/evaluate.h"

#include <map>

#include "runtime/ops/op_registry.h"

namespace vulcap::ops {
namespace {

// A graph of one node, so that scratch values made by lowering stay out of the real one.
struct Sandbox {
  Graph graph;
  Node node;

  Sandbox(const Graph& from, const Node& original) : node(original) {
    for (ValueId& in : node.inputs) in = import(from, in);
    for (ValueId& out : node.outputs) out = import(from, out);
  }

  ValueId import(const Graph& from, ValueId id) {
    return id == graph::kNoValue ? id : graph.add_value(from.value(id));
  }
};

class Memory {
 public:
  Memory(const Graph& graph, const std::map<ValueId, ValueId>& aliases) : graph_(graph), aliases_(aliases) {}

  core::Tensor& tensor(ValueId id) {
    for (auto next = aliases_.find(id); next != aliases_.end(); next = aliases_.find(id)) id = next->second;
    auto entry = tensors_.find(id);
    if (entry != tensors_.end()) return entry->second;
    const Value& value = graph_.value(id);
    if (value.constant) return tensors_[id] = *value.constant;
    core::Shape shape;
    for (const Dim& dim : *value.shape) shape.push_back(dim.value());
    return tensors_[id] = core::Tensor(value.dtype, shape);
  }

 private:
  const Graph& graph_;
  const std::map<ValueId, ValueId>& aliases_;
  std::map<ValueId, core::Tensor> tensors_;
};

}  // namespace

std::vector<core::Tensor> evaluate(const Graph& graph, const Node& node) {
  const OpDef* def = op_registry().find(node.domain, node.op);
  Sandbox box(graph, node);
  std::vector<LoweredCall> calls;
  std::map<ValueId, ValueId> aliases;
  const LowerLimits limits;
  LowerContext context(box.graph, box.node, limits, calls, aliases);
  def->lower(context);
  Memory memory(box.graph, aliases);
  const uint32_t state[1] = {0};
  for (LoweredCall& lowered : calls) {
    std::vector<std::byte*> pointers;
    for (const LoweredBinding& binding : lowered.bindings) {
      core::Tensor& tensor = memory.tensor(binding.value);
      pointers.push_back(const_cast<std::byte*>(tensor.bytes().data()));
      lowered.call.bindings.push_back({BufferKind::kExternal, 0, 0, tensor.bytes().size(), binding.written});
    }
    if (lowered.call.uses_state)
      pointers.push_back(reinterpret_cast<std::byte*>(const_cast<uint32_t*>(state)));
    kernels()[lowered.call.kernel].reference({lowered.call, pointers, state});
  }
  std::vector<core::Tensor> results;
  for (ValueId out : box.node.outputs) {
    if (out == graph::kNoValue) {
      results.emplace_back();
      continue;
    }
    const core::Tensor tensor = memory.tensor(out);
    core::Shape shape;
    for (const Dim& dim : *box.graph.value(out).shape) shape.push_back(dim.value());
    const DType dtype = box.graph.value(out).dtype;
    if (tensor.dtype() == dtype) {
      results.push_back(tensor.reshaped(shape));
    } else {  // another name for the bytes, with another dtype
      results.emplace_back(dtype, shape, tensor.bytes(), std::make_shared<core::Tensor>(tensor), false);
    }
  }
  return results;
}

}  // namespace vulcap::ops
