// Which constants of a model are weights of products, convolutions and tables, and whether all that read one
// can take it in another form.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "loader/conversion/quantization/exclusion.h"
#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/quantize.h"

namespace vulcap::quantization {

// What a node does with its constant.
struct WeightUse {
  enum class Kind { kProduct, kConv, kTable };
  Kind kind = Kind::kProduct;
  Scope::Constant weight = {};
  std::string operand = {};  // what is multiplied, or the indices
  std::string addend = {};   // Gemm's C, Conv's bias; may be ""
  bool transposed = false;   // products: the weight is stored [N,K]
};

struct UseKinds {
  bool convs = false, tables = false;
};

class WeightReaders {
 public:
  // Looks at all nodes; `kinds` besides products. Numbers that are f32, and f16 where `half`. `exclusion`
  // must outlive this object.
  WeightReaders(GraphRewriter& rewriter, UseKinds kinds, bool half, const Exclusion& exclusion);

  // The use of a node whose weight is to be quantised; none for all other nodes.
  std::optional<WeightUse> use(Scope& scope, const ::onnx::NodeProto& node) const;

  struct Shared {
    bool plain = false, transposed = false;  // products and tables that read it as stored, and transposed
    bool table = false;
  };
  // How all uses of one weight read it.
  const Shared& shared(const ::onnx::TensorProto& weight) const { return weights_.at(&weight).shared; }

  // Nodes whose weights stay, with the reason.
  const std::vector<Changes::Kept>& kept() const { return kept_; }

 private:
  struct Weight {
    size_t reads = 0, uses = 0;
    std::string other;  // a node that reads it and cannot take it in another form
    Shared shared;
  };
  struct Judgement {
    std::optional<WeightUse> use;
    std::string reason;  // why a weight stays
  };

  Judgement judge(Scope& scope, const ::onnx::NodeProto& node) const;
  Judgement judge_operator(Scope& scope, const ::onnx::NodeProto& node) const;
  Judgement judge_product(Scope& scope, const ::onnx::NodeProto& node) const;
  Judgement judge_conv(Scope& scope, const ::onnx::NodeProto& node) const;
  Judgement judge_table(Scope& scope, const ::onnx::NodeProto& node) const;
  bool is_float(const ::onnx::TensorProto& tensor) const;
  void count(Scope& scope, const ::onnx::NodeProto& node, bool is_use);

  const Exclusion& exclusion_;
  UseKinds kinds_;
  bool half_;
  std::map<const ::onnx::TensorProto*, Weight> weights_;
  std::vector<Changes::Kept> kept_;
};

}  // namespace vulcap::quantization
