#include "runtime/plan/plan.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>
#include <tuple>

#include "runtime/core/error.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/shape_rules.h"
#include "runtime/plan/arena.h"

namespace vulcap::plan {
namespace {

using core::Error;
using core::ErrorCode;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;
using ops::BufferKind;
using ops::LoweredBinding;
using ops::LoweredCall;

class Planner {
 public:
  Planner(Graph graph, const Backend& backend, int64_t past_bound)
      : backend_(backend), past_{{core::intern_symbol(ops::kPastSymbol), past_bound}} {
    plan_.graph = std::move(graph);
  }

  Plan run() {
    lower();
    drop_dead_calls();
    bind_externals();
    place_arena();
    for (LoweredCall& lowered : lowered_) finish(lowered);
    return std::move(plan_);
  }

 private:
  void lower() {
    const ops::LowerLimits limits{backend_.limits().max_binding_bytes};
    const std::vector<Node> nodes = plan_.graph.nodes;
    for (size_t n = 0; n < nodes.size(); ++n) {
      const ops::OpDef* def = ops::op_registry().find(nodes[n].domain, nodes[n].op);
      if (def == nullptr || def->lower == nullptr) {
        throw Error(ErrorCode::kInvalidModel,
                    "node '" + nodes[n].name + "' (" + nodes[n].op + ") cannot be lowered to kernels");
      }
      require_cache_access(nodes[n]);
      const size_t first = lowered_.size();
      ops::LowerContext context(plan_.graph, nodes[n], limits, lowered_, aliases_);
      def->lower(context);
      for (size_t i = first; i < lowered_.size(); ++i) lowered_[i].call.node = int32_t(n);
    }
    std::erase_if(lowered_, [](const LoweredCall& l) {
      return l.call.work[0] == 0 || l.call.work[1] == 0 || l.call.work[2] == 0;
    });
  }

  // Cached values are stored with room behind them, which only these operands know how to skip.
  void require_cache_access(const Node& node) const {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const bool knows = node.is("Shape") || node.is("Size") ||
                         (node.is(ops::kKvAppend, "vulcap") && i == 0) ||
                         (node.is(ops::kAttention, "vulcap") && (i == 1 || i == 2));
      if (node.inputs[i] == kNoValue || plan_.graph.value(node.inputs[i]).capacity == 0 || knows) continue;
      throw ops::NeedsStaticShape(
          ErrorCode::kInvalidModel,
          node.op + " reads the cached '" + plan_.graph.value(node.inputs[i]).name + "' as a whole");
    }
  }

  // A node may write outputs that nobody reads (the query part of a split that attention reads as a view).
  void drop_dead_calls() {
    std::set<ValueId> live;
    for (ValueId out : plan_.graph.outputs) live.insert(root(out));
    for (ValueId in : plan_.graph.inputs) live.insert(in);
    std::vector<LoweredCall> kept;
    for (size_t c = lowered_.size(); c-- > 0;) {
      const auto& bindings = lowered_[c].bindings;
      const bool used = std::any_of(bindings.begin(), bindings.end(), [&](const LoweredBinding& binding) {
        return binding.written && live.count(root(binding.value)) > 0;
      });
      if (!used) continue;
      for (const LoweredBinding& binding : bindings) live.insert(root(binding.value));
      kept.push_back(std::move(lowered_[c]));
    }
    lowered_.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  }

  ValueId root(ValueId id) const {
    for (auto next = aliases_.find(id); next != aliases_.end(); next = aliases_.find(id)) id = next->second;
    return id;
  }

  uint64_t bytes_of(ValueId id) const {
    const Value& value = plan_.graph.value(id);
    uint64_t count = 1;
    for (size_t i = 0; i < value.shape->size(); ++i) {
      const core::Dim dim = (*value.shape)[i].substitute(past_);
      if (!dim.is_constant())
        throw Error(ErrorCode::kInvalidModel, "the size of '" + value.name + "' is not known: " + dim.text());
      count *= uint64_t(i == 2 && value.capacity > 0 ? value.capacity : dim.value());
    }
    return core::dtype_bytes(value.dtype, count);
  }

  // Inputs and outputs have memory of their own. An output that shares its root with an input or another
  // output is copied, unless it is a cached value written in place.
  void bind_externals() {
    Graph& graph = plan_.graph;
    for (ValueId in : graph.inputs) add_external(in, true);
    const std::vector<ValueId> outputs = graph.outputs;
    for (ValueId out : outputs) {
      const ValueId memory = root(out);
      const auto bound = external_of_.find(memory);
      if (bound != external_of_.end() && graph.value(out).capacity > 0) continue;
      if (bound == external_of_.end() && !graph.value(memory).constant) {
        external_of_[memory] = plan_.externals.size();
        plan_.externals.push_back(external(out, false));
        continue;
      }
      copy_out(out);
    }
  }

  void add_external(ValueId id, bool is_input) {
    external_of_[id] = plan_.externals.size();
    plan_.externals.push_back(external(id, is_input));
  }

  External external(ValueId id, bool is_input) const {
    const Value& value = plan_.graph.value(id);
    return {value.name, value.dtype, *value.shape, bytes_of(id), is_input, !is_input};
  }

  void copy_out(ValueId out) {
    Graph& graph = plan_.graph;
    Value copy = graph.value(out);
    copy.constant.reset();
    const ValueId target = graph.add_value(std::move(copy));
    const Node node{"Identity", "", "output/" + graph.value(out).name, {out}, {target}, {}};
    const ops::LowerLimits limits;
    ops::LowerContext context(graph, node, limits, lowered_, aliases_);
    const core::Shape shape = context.static_shape(out);
    if (core::element_count(shape) > 0) {
      ops::emit_copy(context, out, target,
                     {shape, ops::row_major_strides(shape), ops::row_major_strides(shape)});
    }
    add_external(target, false);
  }

  void place_arena() {
    std::vector<Lifetime> lifetimes;
    std::vector<ValueId> owners;
    std::map<ValueId, size_t> index;
    for (size_t c = 0; c < lowered_.size(); ++c) {
      for (const LoweredBinding& binding : lowered_[c].bindings) {
        const ValueId memory = root(binding.value);
        if (external_of_.count(memory) || plan_.graph.value(memory).constant) continue;
        const auto [entry, inserted] = index.try_emplace(memory, lifetimes.size());
        if (inserted) {
          lifetimes.push_back({bytes_of(memory), int32_t(c), int32_t(c)});
          owners.push_back(memory);
        }
        lifetimes[entry->second].last = int32_t(c);
      }
    }
    const ArenaLayout layout = lay_out(lifetimes);
    plan_.arena_bytes = layout.bytes;
    for (size_t i = 0; i < owners.size(); ++i) {
      arena_offset_[owners[i]] = layout.offsets[i];
      plan_.arena_sum_bytes += lifetimes[i].bytes;
    }
  }

  uint32_t constant_slot(ValueId id, const LoweredBinding& binding, uint16_t kernel) {
    const auto key = std::tuple(id, binding.layout, binding.n_begin, binding.n_end,
                                binding.layout == ops::WeightLayout::kPlain ? 0 : kernel);
    const auto [entry, inserted] = constant_slots_.try_emplace(key, uint32_t(plan_.constants.size()));
    if (inserted) {
      const Value& value = plan_.graph.value(id);
      plan_.constants.push_back({value.name,
                                 *value.constant,
                                 value.dtype,
                                 {nullptr, binding.layout, binding.n_begin, binding.n_end, kernel}});
    }
    return entry->second;
  }

  uint64_t constant_bytes(ValueId id, const LoweredBinding& binding) const {
    const core::Tensor& tensor = *plan_.graph.value(id).constant;
    const uint64_t bytes = core::dtype_bytes(plan_.graph.value(id).dtype, tensor.size());
    if (binding.n_end == 0) return bytes;
    const size_t split_axis = binding.layout == ops::WeightLayout::kMatmulKN ? 1 : 0;
    return bytes / uint64_t(tensor.shape()[split_axis]) * (binding.n_end - binding.n_begin);
  }

  ops::Binding resolve(const LoweredBinding& binding, uint16_t kernel) {
    const ValueId memory = root(binding.value);
    if (const auto bound = external_of_.find(memory); bound != external_of_.end()) {
      return {BufferKind::kExternal,
              uint32_t(bound->second),
              0,
              plan_.externals[bound->second].bytes,
              binding.written,
              binding.value};
    }
    if (plan_.graph.value(memory).constant) {
      return {BufferKind::kConstant,
              constant_slot(memory, binding, kernel),
              0,
              constant_bytes(memory, binding),
              false,
              binding.value};
    }
    return {BufferKind::kArena, 0, arena_offset_.at(memory), bytes_of(memory), binding.written,
            binding.value};
  }

  void finish(LoweredCall& lowered) {
    ops::KernelCall& call = lowered.call;
    for (const LoweredBinding& binding : lowered.bindings)
      call.bindings.push_back(resolve(binding, call.kernel));
    if (call.uses_state) call.bindings.push_back({BufferKind::kState, 0, 0, sizeof(uint32_t), false, -1});
    const Support support = backend_.supports(call);
    plan_.on_host.push_back(support.ok ? 0 : 1);
    plan_.reasons.push_back(support.ok ? "" : support.reason);
    plan_.calls.push_back(std::move(call));
  }

  const Backend& backend_;
  const std::map<core::Symbol, int64_t> past_;
  Plan plan_;
  std::vector<LoweredCall> lowered_;
  std::map<ValueId, ValueId> aliases_;
  std::map<ValueId, size_t> external_of_;
  std::map<ValueId, uint64_t> arena_offset_;
  std::map<std::tuple<ValueId, ops::WeightLayout, uint64_t, uint64_t, uint16_t>, uint32_t> constant_slots_;
};

std::string binding_text(const Plan& plan, const ops::Binding& binding) {
  switch (binding.kind) {
    case BufferKind::kArena:
      return "arena+" + std::to_string(binding.offset);
    case BufferKind::kConstant:
      return plan.constants[binding.index].name;
    case BufferKind::kExternal:
      return plan.externals[binding.index].name;
    case BufferKind::kState:
      return "$past";
  }
  return {};
}

std::string call_text(const Plan& plan, size_t index) {
  const ops::KernelCall& call = plan.calls[index];
  std::string line = std::string(ops::kernels()[call.kernel].name) + "." +
                     std::string(core::dtype_name(call.variant.storage));
  if (call.variant.second != core::DType::kUndefined)
    line += "." + std::string(core::dtype_name(call.variant.second));
  line += " work=" + std::to_string(call.work[0]) + "x" + std::to_string(call.work[1]) + "x" +
          std::to_string(call.work[2]);
  for (const ops::Binding& binding : call.bindings)
    line += (binding.written ? " -> " : " ") + binding_text(plan, binding);
  if (call.node >= 0) line += "  # " + plan.graph.nodes[size_t(call.node)].name;
  if (plan.on_host[index]) line += "  [cpu: " + plan.reasons[index] + "]";
  return line;
}

}  // namespace

size_t Plan::external(const std::string& name) const {
  for (size_t i = 0; i < externals.size(); ++i) {
    if (externals[i].name == name) return i;
  }
  throw Error(ErrorCode::kInvalidModel, "the graph has no input or output '" + name + "'");
}

Plan make_plan(Graph graph, const Backend& backend, int64_t past_bound) {
  return Planner(std::move(graph), backend, past_bound).run();
}

std::string plan_text(const Plan& plan) {
  std::string text;
  for (size_t i = 0; i < plan.calls.size(); ++i) text += std::to_string(i) + ": " + call_text(plan, i) + "\n";
  uint64_t weights = 0;
  for (const ConstantSlot& slot : plan.constants)
    weights += core::dtype_bytes(slot.dtype, slot.tensor.size());
  uint64_t external = 0;
  for (const External& slot : plan.externals) external += slot.bytes;
  const auto host = std::count(plan.on_host.begin(), plan.on_host.end(), uint8_t(1));
  char line[256];
  std::snprintf(line, sizeof line,
                "%zu calls, %td on the cpu by fallback; weights %.1f MB, activations %.2f MB (%.2f MB "
                "without reuse), inputs and "
                "outputs %.2f MB\n",
                plan.calls.size(), host, double(weights) / 1e6, double(plan.arena_bytes) / 1e6,
                double(plan.arena_sum_bytes) / 1e6, double(external) / 1e6);
  return text + line;
}

}  // namespace vulcap::plan
