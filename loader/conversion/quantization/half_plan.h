// What of a model turns to half precision. Products, convolutions, attention, norms and tables do;
// element-wise and moving operators follow their operands. All else stays in fp32: what is computed from
// positions and sizes, sums over many numbers, and what is divided by them (the statistics of a norm that is
// written out), loops, and operators that ONNX defines for no fp16.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "loader/conversion/quantization/exclusion.h"
#include "loader/conversion/quantization/quantize.h"

namespace vulcap::quantization {

inline constexpr float kLargestHalf = 65504.0f;
// Masks write minus infinity as a finite number far outside of fp16.
bool stands_for_infinity(float number);

// A value of a graph, or a constant of it.
struct HalfValue {
  int32_t type = 0;         // TensorProto::DataType
  bool half = false;        // it is computed in fp16
  bool wants_half = false;  // something reads it in fp16
  bool wants_full = false;  // something reads it in fp32
  bool statistic = false;   // fp32: a sum over many numbers, or what follows from it alone
  bool normal = false;      // fp32: a quotient by a statistic; it is read in fp16 where that is possible
  bool masks = true;        // constants: nothing but the arithmetic of masks reads it in fp32
  const ::onnx::TensorProto* constant = nullptr;

  bool is_float() const;
  // Whether operators that follow their operands take it for half.
  bool leads() const { return half || normal; }
};

struct HalfGraph {
  HalfGraph* outer = nullptr;
  std::map<std::string, HalfValue> values;
  std::vector<bool> half_outputs;  // of a branch
  std::set<std::string> reduced;   // values that a reduction reads

  // Here or around; null where nothing provides the name.
  HalfValue* find(const std::string& name);
};

class HalfPlan {
 public:
  // `model` has no floating-point Constant nodes but for outputs of graphs.
  HalfPlan(onnx::EditableModel& model, const Exclusion& exclusion);

  bool turns(const ::onnx::NodeProto& node) const { return half_nodes_.count(&node) > 0; }
  HalfGraph& graph(const ::onnx::GraphProto& graph) { return *graphs_.at(&graph); }
  size_t nodes() const { return half_nodes_.size(); }
  const std::vector<Changes::Kept>& kept() const { return kept_; }

  // Whether an input of a node that turns to half stays fp32 there.
  static bool stays_full(const ::onnx::NodeProto& node, int input);
  // Whether a node reads no numbers, and takes a value in either type.
  static bool reads_shape(const ::onnx::NodeProto& node);

 private:
  void plan_graph(::onnx::GraphProto& graph, HalfGraph* outer, bool frozen);
  void plan_node(::onnx::NodeProto& node, HalfGraph& graph, bool frozen);
  void plan_branches(::onnx::NodeProto& node, HalfGraph& graph, bool frozen);
  void plan_loop(::onnx::NodeProto& node, HalfGraph& graph);
  bool decide(const ::onnx::NodeProto& node, const HalfGraph& graph, const std::vector<HalfValue*>& inputs);
  bool exceeds_half(const ::onnx::TensorProto& constant);

  onnx::EditableModel& model_;
  const Exclusion& exclusion_;
  std::map<const ::onnx::GraphProto*, std::unique_ptr<HalfGraph>> graphs_;
  std::set<const ::onnx::NodeProto*> half_nodes_;
  std::map<const ::onnx::TensorProto*, bool> exceeding_;
  std::vector<Changes::Kept> kept_;
};

}  // namespace vulcap::quantization
