// The ranges that the activations of a model's graphs are quantised by.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "loader/conversion/quantization/calibration/calibrate.h"
#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/weight_readers.h"

namespace vulcap::quantization {

class ActivationRanges {
 public:
  // Of all operands of products and convolutions with the weights that `readers` names.
  ActivationRanges(GraphRewriter& rewriter, const WeightReaders& readers, const Calibration& seen);

  // What enters a product; none: no sample reached one of its readers.
  std::optional<Range> operand(Scope& scope, const std::string& name) const;
  // What leaves a convolution, or the Relu or Clip that alone reads it; none for other values.
  std::optional<Range> result(Scope& scope, const std::string& name) const;

 private:
  using Name = std::pair<const ::onnx::GraphProto*, std::string>;  // a value where it is read or made

  void add_operand(Scope& scope, const WeightUse& use, const core::Tensor& weight);
  void add_result(Scope& scope, const ::onnx::NodeProto& conv, const core::Tensor& weight);
  void move_behind_activation(Scope& scope, const ::onnx::NodeProto& node);
  std::optional<float> scalar(Scope& scope, const ::onnx::NodeProto& node, int input, float otherwise) const;

  GraphRewriter& rewriter_;
  const Calibration& seen_;
  std::map<Name, Range> operands_, results_;
  std::map<Name, int> reads_;
};

}  // namespace vulcap::quantization
