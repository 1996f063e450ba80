// Weights in 8 bits as initializers of the model, each made once.
#pragma once

#include <map>
#include <string>

#include "loader/conversion/quantization/affine.h"
#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/quantize.h"
#include "loader/conversion/quantization/weight_readers.h"

namespace vulcap::quantization {

struct StoredWeight {
  std::string numbers, scale, zero_point;  // names
  bool per_channel = false;                // a scale for each column [K,N], or filter
  bool transposed = false;                 // of products: numbers are the weight's transpose
};

class StoredWeights {
 public:
  // How the scales of convolutions lie, where there is one for each filter.
  enum class Filters {
    kByAxis,         // f32[filters], with as many zero points
    kAgainstOutput,  // f32[filters, 1, ...], with one zero point; weights are uint8 as ConvInteger takes them
  };

  StoredWeights(GraphRewriter& rewriter, const Options& options, const WeightReaders& readers,
                Filters filters);

  // Throws core::Error(kInvalidModel) for a weight that holds a NaN or an infinity.
  const StoredWeight& get(const WeightUse& use);
  core::Tensor scales(const StoredWeight& weight) const { return scales_.at(weight.scale); }
  // The name of a product's numbers [K,N]: a table that a product reads too stays as it is, with a Transpose
  // before the product.
  std::string oriented(Scope& scope, const StoredWeight& stored, const WeightUse& use);
  // Gather with stored rows, which are dequantised behind it.
  void emit_table(Scope& scope, const ::onnx::NodeProto& node, const WeightUse& use);
  // The node's name with a suffix, as a new name; "" where it has none.
  std::string node_name(const ::onnx::NodeProto& node, const char* suffix);

 private:
  AffineForm form_of(const WeightUse& use) const;

  GraphRewriter& rewriter_;
  const Options& options_;
  const WeightReaders& readers_;
  Filters filters_;
  std::map<const ::onnx::TensorProto*, StoredWeight> weights_;
  std::map<std::string, core::Tensor> scales_;
};

}  // namespace vulcap::quantization
