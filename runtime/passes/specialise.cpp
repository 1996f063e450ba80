#include "runtime/passes/specialise.h"

#include <algorithm>
#include <array>

#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/fold.h"
#include "runtime/passes/sequences.h"

namespace vulcap::passes {
namespace {

using core::Dim;
using core::DType;
using core::Error;
using core::ErrorCode;
using core::SymShape;
using core::Tensor;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Value;
using graph::ValueId;

Value bound_input(const Value& declared, const InputSpec& spec) {
  Value value;
  value.name = declared.name;
  value.dtype = declared.dtype;
  value.shape = spec.shape;
  value.capacity = spec.capacity;
  value.fact = spec.fact;
  auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kInvalidModel,
                "input '" + declared.name + "' of shape " + core::shape_text(spec.shape) + " " + why);
  };
  if (declared.shape) {
    if (declared.shape->size() != spec.shape.size())
      refuse("must have shape " + core::shape_text(*declared.shape));
    for (size_t i = 0; i < spec.shape.size(); ++i) {
      const Dim& want = (*declared.shape)[i];
      if (want.is_constant() && !(want == spec.shape[i]))
        refuse("must have shape " + core::shape_text(*declared.shape));
    }
  }
  if (spec.constant) {
    if (spec.constant->dtype() != declared.dtype) {
      refuse("holds " + std::string(core::dtype_name(spec.constant->dtype())) + ", not " +
             std::string(core::dtype_name(declared.dtype)));
    }
    value.constant = spec.constant;
  }
  return value;
}

// Ends a walk: these values of the graph made so far must be known first.
struct Question {
  std::vector<ValueId> values;
  const Node* control = nullptr;
  std::vector<Stage::Operand> operands;
};

class Specialiser {
 public:
  // `known`: answers to the questions in their order; nullptr: no questions are asked.
  Specialiser(Graph& out, const KnownValues* known)
      : out_(out),
        known_(known),
        sequences_(out, {[this](ValueId id) { return constant_of(id); },
                         [this](Node node, size_t outputs) { return add(std::move(node), outputs); }}) {}

  // Values and inputs of `graph` bound to `inputs`; returns the map of its values.
  std::vector<ValueId> bind_inputs(const Graph& graph, const std::map<std::string, InputSpec>& inputs) {
    std::vector<ValueId> map(graph.values.size(), kNoValue);
    for (ValueId input : graph.inputs) {
      const Value& declared = graph.value(input);
      map[size_t(input)] = declared.is_sequence ? bind_sequence(declared, inputs)
                                                : bind_input(declared, declared.name, inputs);
    }
    return map;
  }

  // Two outputs may be one value, and an output may be an input: each keeps its own name.
  void bind_outputs(const Graph& graph, const std::vector<ValueId>& map) {
    for (ValueId out : graph.outputs) {
      const std::string& name = graph.value(out).name;
      const ValueId inner = map[size_t(out)];
      if (sequences_.holds(inner)) {
        const auto& list = sequences_.list(inner);
        for (size_t i = 0; i < list.size(); ++i) add_output(list[i], element_name(name, i));
      } else if (out_.value(inner).name != name) {
        add_output(inner, name);
      } else {
        out_.outputs.push_back(inner);
      }
    }
  }

  void add_output(ValueId inner, const std::string& name) {
    Node identity{"Identity", "", "output/" + name, {inner}, {}, {}};
    Value value;
    value.name = name;
    identity.outputs = {out_.add_value(std::move(value))};
    ops::infer_node(out_, identity);
    out_.outputs.push_back(identity.outputs[0]);
    out_.nodes.push_back(std::move(identity));
  }

  // Copies the values and nodes of `from`; `map` holds what is already bound (inputs, captures).
  void walk(const Graph& from, std::vector<ValueId>& map) {
    for (size_t v = 0; v < from.values.size(); ++v) {
      if (from.values[v].constant && map[v] == kNoValue) map[v] = out_.add_value(from.values[v]);
    }
    for (const Node& node : from.nodes) {
      if (node.is("If")) {
        inline_branch(from, node, map);
      } else if (node.is("Loop") || node.is("Scan")) {
        take_control_outputs(node, map);
      } else {
        visit(from, node, map);
      }
    }
  }

 private:
  ValueId mapped(const std::vector<ValueId>& map, ValueId id) const {
    if (id == kNoValue) return kNoValue;
    const auto answered = answered_.find(map[size_t(id)]);
    return answered == answered_.end() ? map[size_t(id)] : answered->second;
  }

  ValueId bind_input(const Value& declared, const std::string& name,
                     const std::map<std::string, InputSpec>& inputs) {
    const auto spec = inputs.find(name);
    if (spec == inputs.end()) throw Error(ErrorCode::kInvalidModel, "input '" + name + "' is missing");
    Value value = bound_input(declared, spec->second);
    value.name = name;
    const ValueId id = out_.add_value(std::move(value));
    if (!spec->second.constant) out_.inputs.push_back(id);
    return id;
  }

  ValueId bind_sequence(const Value& declared, const std::map<std::string, InputSpec>& inputs) {
    Sequences::List list;
    while (inputs.count(element_name(declared.name, list.size())))
      list.push_back(bind_input(declared, element_name(declared.name, list.size()), inputs));
    return sequences_.make(declared.name, std::move(list));
  }

  Tensor constant_of(ValueId id) {
    const Value& value = out_.value(id);
    if (value.constant) return *value.constant;
    if (known_ == nullptr)
      throw Error(ErrorCode::kInvalidModel, "'" + value.name + "' must be known before the run");
    return *out_.value(answer_for(id)).constant;
  }

  // A node on values of the new graph.
  Sequences::List add(Node node, size_t outputs) {
    for (size_t i = 0; i < outputs; ++i) {
      Value value;
      value.name = node.name + "/" + node.op + std::to_string(out_.values.size());
      node.outputs.push_back(out_.add_value(std::move(value)));
    }
    Sequences::List results = node.outputs;
    finish(std::move(node));
    return results;
  }

  // The value as a constant; asks for it when the answer is not there yet.
  ValueId answer_for(ValueId id) {
    if (next_question_ == known_->size()) throw Question{{id}, nullptr, {}};
    const ValueId constant =
        out_.add_constant(out_.value(id).name, known_->at(next_question_++).at(0).tensors.at(0));
    answered_[id] = constant;
    return constant;
  }

  Question ask_operands(const Node& node, const std::vector<ValueId>& map) const {
    Question question{{}, &node, {}};
    for (ValueId in : node.inputs) {
      const ValueId value = mapped(map, in);
      const bool is_sequence = value != kNoValue && sequences_.holds(value);
      Sequences::List list;
      if (value != kNoValue) list = is_sequence ? sequences_.list(value) : Sequences::List{value};
      question.values.insert(question.values.end(), list.begin(), list.end());
      question.operands.push_back({is_sequence, list.size()});
    }
    return question;
  }

  ValueId add_known_input(const std::string& name, const Tensor& tensor) {
    Value value;
    value.name = name;
    value.dtype = tensor.dtype();
    value.shape = SymShape(tensor.shape().begin(), tensor.shape().end());
    out_.inputs.push_back(out_.add_value(std::move(value)));
    return out_.inputs.back();
  }

  void take_control_outputs(const Node& node, std::vector<ValueId>& map) {
    if (known_ == nullptr)
      throw Error(ErrorCode::kInvalidModel,
                  "node '" + node.name + "' (" + node.op + ") is not supported here");
    if (next_question_ == known_->size()) throw ask_operands(node, map);
    const auto& outputs = known_->at(next_question_);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const std::string name = known_input(next_question_, i);
      Sequences::List list;
      for (const Tensor& tensor : outputs.at(i).tensors)
        list.push_back(
            add_known_input(outputs[i].is_sequence ? element_name(name, list.size()) : name, tensor));
      map[size_t(node.outputs[i])] = outputs[i].is_sequence ? sequences_.make(name, list) : list.at(0);
    }
    ++next_question_;
  }

  std::optional<double> known_condition(ValueId id) const {
    const Value& condition = out_.value(id);
    if (condition.constant && condition.constant->size() == 1) return condition.constant->at_f64(0);
    return condition.fact.splat;
  }

  void inline_branch(const Graph& from, const Node& node, std::vector<ValueId>& map) {
    auto known = known_condition(mapped(map, node.inputs[0]));
    if (!known && known_ != nullptr) known = known_condition(answer_for(mapped(map, node.inputs[0])));
    if (!known) {
      throw Error(ErrorCode::kInvalidModel, "node '" + node.name + "' (If): the condition '" +
                                                from.value(node.inputs[0]).name +
                                                "' depends on data, which is not supported here");
    }
    const graph::Attribute* attribute = node.attributes.find(*known != 0 ? "then_branch" : "else_branch");
    const auto* branch = attribute ? std::get_if<std::shared_ptr<const Graph>>(attribute) : nullptr;
    if (branch == nullptr || (*branch)->outputs.size() != node.outputs.size()) {
      throw Error(ErrorCode::kInvalidModel,
                  "node '" + node.name + "' (If): a branch is missing or has other outputs");
    }
    std::vector<ValueId> inner((*branch)->values.size(), kNoValue);
    for (const auto& [id, input] : (*branch)->captures) inner[size_t(id)] = mapped(map, node.inputs[input]);
    walk(**branch, inner);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue) map[size_t(node.outputs[i])] = inner[size_t((*branch)->outputs[i])];
    }
  }

  void visit(const Graph& from, const Node& node, std::vector<ValueId>& map) {
    Node copy = node;
    for (ValueId& in : copy.inputs) in = mapped(map, in);
    if (sequences_.handles(copy)) {
      map[size_t(node.outputs.at(0))] = sequences_.visit(copy);
      return;
    }
    for (ValueId& out : copy.outputs) {
      if (out == kNoValue) continue;
      Value value;
      value.name = from.value(out).name;
      map[size_t(out)] = out_.add_value(std::move(value));
      out = map[size_t(out)];
    }
    finish(std::move(copy));
  }

  // Takes in a node whose operands and outputs are values of the new graph.
  void finish(Node node) {
    const ops::OpDef* def = ops::op_registry().find(node.domain, node.op);
    if (def != nullptr && def->expand != nullptr) {
      return with_answers(node,
                          [&] { ops::expand_node(out_, node, [&](Node part) { finish(std::move(part)); }); });
    }
    with_answers(node, [&] { ops::infer_node(out_, node); });
    if (fold(out_, node)) return;
    if (is_reshape(node)) make_view(node);
    if (node.is("Range")) make_iota(node);
    if (node.is("Slice") && counts(node)) return count_anew(std::move(node));
    out_.nodes.push_back(std::move(node));
  }

  // Whether a value of fixed size, cut from one that is not, counts along its last axis: position ids at the
  // end of running totals of a mask.
  bool counts(const Node& node) const {
    const Value& from = out_.value(node.inputs[0]);
    const Value& value = out_.value(node.outputs[0]);
    const bool integer = value.dtype == core::DType::kI64 || value.dtype == core::DType::kI32;
    if (!integer || !value.fact.affine || value.shape->empty() || !core::is_static(*value.shape) ||
        core::is_static(*from.shape))
      return false;
    const auto& coefficients = value.fact.affine->coefficients;
    return std::all_of(coefficients.begin(), coefficients.end() - 1, [](int64_t c) { return c == 0; });
  }

  // The same numbers without the value they were cut from.
  void count_anew(Node node) {
    const SymShape to = *out_.value(node.outputs[0]).shape;
    const graph::AffineIndex form = *out_.value(node.outputs[0]).fact.affine;
    const auto add = [&](const char* op, const char* domain, std::vector<ValueId> inputs,
                         graph::Attributes attributes, ValueId output) {
      Node part;
      part.op = op;
      part.domain = domain;
      part.name = node.name + "/" + op;
      part.inputs = std::move(inputs);
      part.attributes = std::move(attributes);
      if (output == kNoValue) {
        Value value;
        value.name = part.name;
        output = out_.add_value(std::move(value));
      }
      part.outputs = {output};
      finish(std::move(part));
      return output;
    };
    graph::Attributes iota;
    iota.set("start", form.base.text());
    iota.set("step", form.coefficients.back());
    iota.set("length", to.back().text());
    iota.set("dtype", int64_t(out_.value(node.outputs[0]).dtype));
    const ValueId row = add("Iota", "vulcap", {}, std::move(iota), kNoValue);
    std::vector<int64_t> sizes;
    for (const Dim& dim : to) sizes.push_back(dim.value());
    const ValueId shape = out_.add_constant(
        node.name + "/sizes", core::Tensor::from<int64_t>(core::DType::kI64, {int64_t(sizes.size())}, sizes));
    add("Expand", "", {row, shape}, {}, node.outputs[0]);
  }

  // Runs `step`, again for each operand whose value it needs.
  template <typename Step>
  void with_answers(Node& node, Step step) {
    for (;;) {
      try {
        return step();
      } catch (const ops::NeedsValue& need) {
        if (known_ == nullptr) throw;
        node.inputs.at(need.operand()) = answer_for(node.inputs.at(need.operand()));
      }
    }
  }

  static bool is_reshape(const Node& node) {
    return node.domain.empty() &&
           (node.op == "Reshape" || node.op == "Squeeze" || node.op == "Unsqueeze" || node.op == "Flatten");
  }

  void make_view(Node& node) {
    std::string to;
    for (const Dim& dim : *out_.value(node.outputs[0]).shape) to += (to.empty() ? "" : ",") + dim.text();
    node.op = "View";
    node.domain = "vulcap";
    node.inputs.resize(1);
    node.attributes = {};
    node.attributes.set("to", to);
  }

  // A range that follows from sizes needs no operands at run time.
  void make_iota(Node& node) {
    const Value& value = out_.value(node.outputs[0]);
    node.op = "Iota";
    node.domain = "vulcap";
    node.inputs.clear();
    node.attributes = {};
    node.attributes.set("start", value.fact.affine->base.text());
    node.attributes.set("step", value.fact.affine->coefficients[0]);
    node.attributes.set("length", (*value.shape)[0].text());
    node.attributes.set("dtype", int64_t(value.dtype));
  }

  Graph& out_;
  const KnownValues* known_;
  size_t next_question_ = 0;
  std::map<ValueId, ValueId> answered_;
  Sequences sequences_;
};

}  // namespace

Graph specialise(const Graph& graph, const std::map<std::string, InputSpec>& inputs) {
  Graph result;
  Specialiser specialiser(result, nullptr);
  std::vector<ValueId> map = specialiser.bind_inputs(graph, inputs);
  specialiser.walk(graph, map);
  specialiser.bind_outputs(graph, map);
  graph::remove_dead_nodes(result);
  return result;
}

bool is_resolved_by_specialise(const Node& node) {
  static constexpr std::array kNames = {"If",
                                        "Loop",
                                        "Scan",
                                        "SequenceConstruct",
                                        "SequenceEmpty",
                                        "SequenceInsert",
                                        "SequenceAt",
                                        "SequenceErase",
                                        "SequenceLength",
                                        "ConcatFromSequence",
                                        "SplitToSequence"};
  return node.domain.empty() && std::find(kNames.begin(), kNames.end(), node.op) != kNames.end();
}

std::string known_input(size_t question, size_t output) {
  return "$known/" + std::to_string(question) + "/" + std::to_string(output);
}

Stage specialise_in_stages(const Graph& graph, const std::map<std::string, InputSpec>& inputs,
                           const KnownValues& known) {
  Stage stage;
  Specialiser specialiser(stage.graph, &known);
  std::vector<ValueId> map = specialiser.bind_inputs(graph, inputs);
  try {
    specialiser.walk(graph, map);
    specialiser.bind_outputs(graph, map);
  } catch (const Question& question) {
    stage.complete = false;
    stage.control = question.control;
    stage.operands = question.operands;
    for (size_t i = 0; i < question.values.size(); ++i)
      specialiser.add_output(question.values[i], "$needed/" + std::to_string(i));
  }
  graph::remove_dead_nodes(stage.graph);
  return stage;
}

core::SymShape bind_symbols(const core::SymShape& declared, const std::map<core::Symbol, int64_t>& values) {
  core::SymShape result;
  for (const Dim& dim : declared) result.push_back(dim.substitute(values));
  return result;
}

}  // namespace vulcap::passes
