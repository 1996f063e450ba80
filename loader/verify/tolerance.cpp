#include "loader/verify/tolerance.h"

#include <algorithm>
#include <memory>
#include <string>

namespace vulcap::loader {
namespace {

struct Census {
  bool fixed_steps = false;  // activations are rounded to steps that the file gives: QuantizeLinear, QLinear*
  bool dynamic_steps = false;  // activations are rounded to steps that follow from their range
  bool weights = false;        // weights are integers, activations are real
  bool half = false;
};

void take_census(const graph::Graph& graph, Census& census) {
  for (const graph::Value& value : graph.values) {
    const bool half = value.constant && value.constant->size() > 1 && value.dtype == core::DType::kF16;
    census.half |= half || value.dtype == core::DType::kBF16;
  }
  for (const graph::Node& node : graph.nodes) {
    const std::string& op = node.op;
    census.fixed_steps |= op == "QuantizeLinear" || op.starts_with("QLinear") || op == "QGemm";
    census.dynamic_steps |= op.starts_with("DynamicQuantize") || op.ends_with("Integer") ||
                            op == "QAttention" || op == "MatMulIntegerToFloat" ||
                            op == "QEmbedLayerNormalization";
    // accuracy_level 4: activations are rounded to 8 bits before the product.
    census.dynamic_steps |= op == "MatMulNBits" && node.attributes.integer("accuracy_level", 0) == 4;
    census.weights |=
        op == "DequantizeLinear" || op == "MatMulNBits" || op == "MatMulBnb4" || op == "GatherBlockQuantized";
    for (const auto& [name, attribute] : node.attributes.all()) {
      const auto* body = std::get_if<std::shared_ptr<const graph::Graph>>(&attribute);
      if (body != nullptr && *body) take_census(**body, census);
    }
  }
}

}  // namespace

double tolerance(const graph::Graph& graph, bool half) {
  Census census;
  take_census(graph, census);
  double allowed = census.half || half ? 1e-2 : 1e-4;
  if (census.weights) allowed = std::max(allowed, 1e-3);
  if (census.dynamic_steps) allowed = 2e-2;
  if (census.fixed_steps) allowed = 8e-2;
  return allowed;
}

}  // namespace vulcap::loader
