#include "loader/onnx/modernise.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "runtime/core/error.h"

namespace vulcap::onnx {
namespace {

using core::DType;
using core::Tensor;
using graph::Attributes;
using graph::kNoValue;
using graph::Node;
using AddConstant = std::function<graph::ValueId(Tensor)>;

Tensor int64_tensor(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>(DType::kI64, {int64_t(values.size())}, values);
}

void set_input(Node& node, size_t i, graph::ValueId value) {
  if (node.inputs.size() <= i) node.inputs.resize(i + 1, kNoValue);
  node.inputs[i] = value;
}

// An integer-list attribute that later versions take as an operand.
void list_to_input(Node& node, std::string_view attribute, size_t input, const AddConstant& constant) {
  if (node.input(input) != kNoValue || !node.attributes.has(attribute)) return;
  set_input(node, input, constant(int64_tensor(node.attributes.integers(attribute))));
}

void slice_1_to_10(Node& node, const AddConstant& constant) {
  list_to_input(node, "starts", 1, constant);
  list_to_input(node, "ends", 2, constant);
  list_to_input(node, "axes", 3, constant);
}

void clip_6_to_11(Node& node, const AddConstant& constant) {
  for (size_t i = 0; i < 2; ++i) {
    const std::string_view name = i == 0 ? "min" : "max";
    if (!node.attributes.has(name)) continue;
    set_input(node, 1 + i, constant(Tensor::from<float>(DType::kF32, {}, {node.attributes.real(name, 0)})));
  }
}

void pad_2_to_11(Node& node, const AddConstant& constant) {
  list_to_input(node, "pads", 1, constant);
  if (node.attributes.has("value"))
    set_input(node, 2, constant(Tensor::from<float>(DType::kF32, {}, {node.attributes.real("value", 0)})));
}

void top_k_1_to_10(Node& node, const AddConstant& constant) {
  set_input(node, 1, constant(int64_tensor({node.attributes.integer("k", 0)})));
}

// Before opset 13 softmax works on the tensor flattened to a matrix at `axis`, which is 1 when not given.
void softmax_11_to_13(Node& node) {
  if (!node.attributes.has("axis")) node.attributes.set("axis", int64_t(1));
  node.attributes.set("flatten", int64_t(1));
}

// Operators of com.microsoft that ONNX has since taken over as they were.
bool also_standard(std::string_view op) {
  constexpr std::string_view kNames[] = {"Gelu", "Trilu", "GridSample", "GatherND", "Pad", "Range"};
  return std::find(std::begin(kNames), std::end(kNames), op) != std::end(kNames);
}

// Every operand has a batch axis, and one list of directions serves the scanned inputs.
void scan_8_to_9(Node& node) {
  node.attributes.set("batched", int64_t(1));
  if (node.attributes.has("directions"))
    node.attributes.set("scan_input_directions", node.attributes.integers("directions"));
}

// Upsample and Resize-10 keep the origin in place; their coordinates are those of Resize-11's "asymmetric".
void resize_10_to_11(Node& node, const AddConstant& constant) {
  if (node.attributes.has("scales")) {
    const auto* scales = std::get_if<std::vector<float>>(node.attributes.find("scales"));
    if (scales != nullptr)
      set_input(node, 1, constant(Tensor::from<float>(DType::kF32, {int64_t(scales->size())}, *scales)));
  }
  if (node.inputs.size() == 2) node.inputs.insert(node.inputs.begin() + 1, kNoValue);
  if (node.attributes.text("mode", "") == "bilinear") node.attributes.set("mode", std::string("linear"));
  node.attributes.set("coordinate_transformation_mode", std::string("asymmetric"));
  node.attributes.set("nearest_mode", std::string("simple"));
  node.op = "Resize";
}

bool is_reduction(const Node& node) { return node.domain.empty() && node.op.starts_with("Reduce"); }

}  // namespace

void modernise(Node& node, int64_t opset, const AddConstant& constant) {
  if (node.domain == "com.microsoft" && also_standard(node.op)) node.domain.clear();
  if (node.is("Dropout") && node.outputs.size() == 1 && node.input(2) == kNoValue) {
    node.op = "Identity";
    node.inputs.resize(1);
  }
  if (node.domain.empty() && node.op.starts_with("Skip"))
    node.domain = "com.microsoft";  // written by some tools
  if (!node.domain.empty()) return;
  if (opset < 13 && (node.op == "Squeeze" || node.op == "Unsqueeze" || node.op == "ReduceSum"))
    list_to_input(node, "axes", 1, constant);
  if (opset < 18 && is_reduction(node)) list_to_input(node, "axes", 1, constant);
  if (opset < 13 && node.op == "Split") list_to_input(node, "split", 1, constant);
  if (opset < 10 && node.op == "Slice") slice_1_to_10(node, constant);
  if (opset < 11 && node.op == "Pad") pad_2_to_11(node, constant);
  if (opset < 10 && node.op == "TopK") top_k_1_to_10(node, constant);
  if (opset < 16 && node.op == "RoiAlign")
    node.attributes.set("coordinate_transformation_mode", "output_half_pixel");
  if (opset < 9 && node.op == "Scan") scan_8_to_9(node);
  if (node.op == "Scatter") node.op = "ScatterElements";
  if (node.op == "Upsample" || (opset < 11 && node.op == "Resize")) resize_10_to_11(node, constant);
  if (opset < 20 && node.op == "DFT")
    set_input(node, 2, constant(int64_tensor({node.attributes.integer("axis", 1)})));
  if (opset < 11 && node.op == "Clip") clip_6_to_11(node, constant);
  if (opset < 13 && (node.op == "Softmax" || node.op == "LogSoftmax" || node.op == "Hardmax"))
    softmax_11_to_13(node);
}

}  // namespace vulcap::onnx
