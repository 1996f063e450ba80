// Last of all: activations and weights in half precision (--dtype fp16 on an fp32 file). Products,
// convolutions, attention, norms and embeddings turn to f16; element-wise and moving operators follow their
// operands; the rest, what is computed from positions and sizes above all, stays f32. Kernels sum in f32
// either way, and a value that enters f16 saturates instead of becoming infinite.
#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "runtime/core/half.h"
#include "runtime/ops/attention.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

using core::DType;
using core::Tensor;

constexpr float kLargestHalf = 65504.0f;
// Larger constants are converted when they are uploaded, so that no second copy of a weight is kept.
constexpr size_t kEagerBytes = size_t(64) << 10;

bool is_one_of(std::string_view op, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

// Operators that turn f32 into f16 by themselves.
bool converts(const Node& node) {
  static constexpr std::array<std::string_view, 3> kOwn = {"Linear", "Attention", "KvAppend"};
  static constexpr std::array<std::string_view, 7> kStandard = {"MatMul",
                                                                "Gemm",
                                                                "Conv",
                                                                "ConvTranspose",
                                                                "LayerNormalization",
                                                                "RMSNormalization",
                                                                "BatchNormalization"};
  if (node.domain == "vulcap") return is_one_of(node.op, kOwn) || node.op == "Patches";
  if (node.is("FusedConv", "com.microsoft")) return true;
  return node.domain.empty() && is_one_of(node.op, kStandard);
}

// Operators that compute in the precision of their operands.
bool follows(const Node& node) {
  static constexpr std::array<std::string_view, 41> kNames = {"Add",
                                                              "Sub",
                                                              "Mul",
                                                              "Div",
                                                              "Min",
                                                              "Max",
                                                              "Relu",
                                                              "Gelu",
                                                              "Tanh",
                                                              "Erf",
                                                              "Sigmoid",
                                                              "Softmax",
                                                              "Silu",
                                                              "QuickGelu",
                                                              "Clip",
                                                              "HardSwish",
                                                              "Neg",
                                                              "Abs",
                                                              "Where",
                                                              "Transpose",
                                                              "Slice",
                                                              "Concat",
                                                              "Split",
                                                              "Expand",
                                                              "Tile",
                                                              "View",
                                                              "Identity",
                                                              "Pad",
                                                              "MaxPool",
                                                              "AveragePool",
                                                              "GlobalAveragePool",
                                                              "Gather",
                                                              "GatherElements",
                                                              "GatherND",
                                                              "DepthToSpace",
                                                              "SpaceToDepth",
                                                              "LeakyRelu",
                                                              "HardSigmoid",
                                                              "InstanceNormalization",
                                                              "Rotary",
                                                              "KvUpdate"};
  return (node.domain.empty() || node.domain == "vulcap" || node.is("QuickGelu", "com.microsoft")) &&
         is_one_of(node.op, kNames);
}

class HalfPrecision {
 public:
  explicit HalfPrecision(Graph& graph) : graph_(graph), half_(graph.values.size(), false) {}

  int run() {
    std::vector<Node> nodes;
    nodes.swap(graph_.nodes);
    for (Node& node : nodes) {
      if (turns(node)) {
        turn(node);
        ++turned_;
      } else {
        for (ValueId& in : node.inputs) {
          if (is_half(in)) in = cast(in, DType::kF32);
        }
      }
      graph_.nodes.push_back(std::move(node));
    }
    for (ValueId& out : graph_.outputs) {
      if (is_half(out) && graph_.value(out).capacity == 0) out = restored(out);
    }
    return turned_;
  }

 private:
  bool is_half(ValueId id) const { return id != kNoValue && size_t(id) < half_.size() && half_[size_t(id)]; }
  bool is_f32(ValueId id) const { return id != kNoValue && graph_.value(id).dtype == DType::kF32; }

  bool turns(const Node& node) const {
    if (!is_f32(node.outputs.at(0))) return false;
    if (converts(node)) return true;
    // A table of embeddings is a weight.
    if (node.is("Gather"))
      return is_half(node.inputs[0]) || graph_.value(node.inputs[0]).constant.has_value();
    return follows(node) &&
           std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) { return is_half(in); });
  }

  void turn(Node& node) {
    const bool append = node.is(ops::kKvAppend, "vulcap");
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId in = node.inputs[i];
      if (!is_f32(in)) continue;
      if (append && i == 0) {
        mark(in);  // the cache itself
      } else {
        node.inputs[i] = graph_.value(in).constant ? half_constant(in) : cast(in, DType::kF16);
      }
    }
    for (ValueId out : node.outputs) {
      if (is_f32(out)) mark(out);
    }
  }

  void mark(ValueId id) {
    graph_.value(id).dtype = DType::kF16;
    if (size_t(id) >= half_.size()) half_.resize(size_t(id) + 1, false);
    half_[size_t(id)] = true;
  }

  ValueId half_constant(ValueId id) {
    const auto [entry, inserted] = converted_.try_emplace({id, DType::kF16}, kNoValue);
    if (!inserted) return entry->second;
    Value value = graph_.value(id);
    value.dtype = DType::kF16;
    if (value.constant->bytes().size() <= kEagerBytes) value.constant = core::to_half(*value.constant);
    return entry->second = graph_.add_value(std::move(value));
  }

  ValueId cast(ValueId id, DType to) {
    const auto [entry, inserted] = converted_.try_emplace({id, to}, kNoValue);
    if (!inserted) return entry->second;
    const ValueId from = to == DType::kF16 ? clamped(id) : id;
    graph::Attributes attributes;
    attributes.set("to", int64_t(to));
    entry->second = add_node("Cast", from, to, {from}, std::move(attributes));
    return entry->second;
  }

  ValueId clamped(ValueId id) {
    const ValueId low = graph_.add_constant("", Tensor::from<float>(DType::kF32, {}, {-kLargestHalf}));
    const ValueId high = graph_.add_constant("", Tensor::from<float>(DType::kF32, {}, {kLargestHalf}));
    return add_node("Clip", id, DType::kF32, {id, low, high}, {});
  }

  ValueId add_node(std::string op, ValueId like, DType dtype, std::vector<ValueId> inputs,
                   graph::Attributes attributes) {
    Value value = graph_.value(like);
    value.name += "/" + op;
    value.dtype = dtype;
    value.fact = {};
    value.constant.reset();
    Node node{std::move(op), "", value.name, std::move(inputs), {}, std::move(attributes)};
    node.outputs = {graph_.add_value(std::move(value))};
    graph_.nodes.push_back(node);
    return node.outputs[0];
  }

  // A graph output keeps its name and its dtype.
  ValueId restored(ValueId id) {
    const std::string name = graph_.value(id).name;
    graph_.value(id).name += "/half";
    const ValueId out = cast(id, DType::kF32);
    graph_.value(out).name = name;
    return out;
  }

  Graph& graph_;
  std::vector<bool> half_;  // one a value
  std::map<std::pair<ValueId, DType>, ValueId> converted_;
  int turned_ = 0;
};

}  // namespace

int half_precision(Graph& graph) { return HalfPrecision(graph).run(); }

}  // namespace vulcap::passes
