#include "loader/conversion/quantization/weight_readers.h"

#include <algorithm>
#include <utility>

namespace vulcap::quantization {

namespace proto = ::onnx;

namespace {

bool has_no_numbers(const proto::TensorProto& tensor) {
  return std::find(tensor.dims().begin(), tensor.dims().end(), 0) != tensor.dims().end();
}

}  // namespace

WeightReaders::WeightReaders(GraphRewriter& rewriter, UseKinds kinds, bool half, const Exclusion& exclusion)
    : exclusion_(exclusion), kinds_(kinds), half_(half) {
  std::vector<std::pair<const proto::TensorProto*, std::string>> users;
  rewriter.each_node([&](Scope& scope, proto::NodeProto& node) {
    const Judgement judged = judge(scope, node);
    if (!judged.reason.empty()) kept_.push_back({node_text(node), judged.reason});
    if (judged.use) {
      Weight& weight = weights_[judged.use->weight.tensor];
      ++weight.uses;
      (judged.use->transposed ? weight.shared.transposed : weight.shared.plain) = true;
      weight.shared.table |= judged.use->kind == WeightUse::Kind::kTable;
      users.emplace_back(judged.use->weight.tensor, node_text(node));
    }
    count(scope, node, judged.use.has_value());
  });
  for (const auto& [tensor, user] : users) {
    const Weight& weight = weights_.at(tensor);
    if (weight.reads != weight.uses)
      kept_.push_back({user, "its weight " + tensor->name() + " is read by " + weight.other + " too"});
  }
}

void WeightReaders::count(Scope& scope, const proto::NodeProto& node, bool is_use) {
  const bool passes_on = is_standard(node) && (node.op_type() == "Identity" || node.op_type() == "Transpose");
  if (passes_on && node.output_size() == 1 && scope.constant(node.output(0)) &&
      !scope.is_output(node.output(0)))
    return;  // counted where its output is read
  for (int i = 0; i < node.input_size(); ++i) {
    const auto constant = scope.constant(node.input(i));
    if (!constant) continue;
    Weight& weight = weights_[constant->tensor];
    ++weight.reads;
    if (!is_use) weight.other = node_text(node);
  }
}

std::optional<WeightUse> WeightReaders::use(Scope& scope, const proto::NodeProto& node) const {
  Judgement judged = judge(scope, node);
  if (!judged.use) return std::nullopt;
  const Weight& weight = weights_.at(judged.use->weight.tensor);
  if (weight.reads != weight.uses) return std::nullopt;
  return std::move(judged.use);
}

bool WeightReaders::is_float(const proto::TensorProto& tensor) const {
  return tensor.data_type() == proto::TensorProto::FLOAT ||
         (half_ && tensor.data_type() == proto::TensorProto::FLOAT16);
}

WeightReaders::Judgement WeightReaders::judge(Scope& scope, const proto::NodeProto& node) const {
  Judgement judged = judge_operator(scope, node);
  if (judged.use && has_no_numbers(*judged.use->weight.tensor)) return {};
  if (judged.use && exclusion_.matches(node, judged.use->weight.tensor->name()))
    return {std::nullopt, "excluded"};
  return judged;
}

WeightReaders::Judgement WeightReaders::judge_operator(Scope& scope, const proto::NodeProto& node) const {
  if (!is_standard(node) || node.input_size() < 2 || node.output_size() != 1) return {};
  const std::string& op = node.op_type();
  if (op == "MatMul" || op == "Gemm") return judge_product(scope, node);
  if (op == "Conv" && kinds_.convs) return judge_conv(scope, node);
  if (op == "Gather" && kinds_.tables) return judge_table(scope, node);
  return {};
}

WeightReaders::Judgement WeightReaders::judge_product(Scope& scope, const proto::NodeProto& node) const {
  const auto weight = scope.constant(node.input(1));
  if (!weight) {
    if (!scope.constant(node.input(0))) return {};
    return {std::nullopt, "its weight is the first operand"};
  }
  if (!is_float(*weight->tensor)) return {};
  if (weight->tensor->dims_size() != 2)
    return {std::nullopt, "its weight has " + std::to_string(weight->tensor->dims_size()) + " axes"};
  WeightUse use{WeightUse::Kind::kProduct, *weight, node.input(0), "", weight->transposed};
  if (node.op_type() == "Gemm") {
    if (integer_attribute(node, "transA", 0) != 0 || real_attribute(node, "alpha", 1) != 1 ||
        real_attribute(node, "beta", 1) != 1)
      return {std::nullopt, "it has a transA, alpha or beta"};
    use.transposed = use.transposed != (integer_attribute(node, "transB", 0) != 0);
    if (node.input_size() > 2) use.addend = node.input(2);
  }
  return {std::move(use), ""};
}

WeightReaders::Judgement WeightReaders::judge_conv(Scope& scope, const proto::NodeProto& node) const {
  const auto weight = scope.constant(node.input(1));
  if (!weight || weight->transposed || !is_float(*weight->tensor) || weight->tensor->dims_size() < 3)
    return {};
  WeightUse use{WeightUse::Kind::kConv, *weight, node.input(0)};
  if (node.input_size() > 2) {
    use.addend = node.input(2);
    if (!use.addend.empty() && !scope.constant(use.addend)) return {std::nullopt, "its bias is computed"};
  }
  return {std::move(use), ""};
}

WeightReaders::Judgement WeightReaders::judge_table(Scope& scope, const proto::NodeProto& node) const {
  const auto table = scope.constant(node.input(0));
  if (!table || table->transposed || !is_float(*table->tensor) || table->tensor->dims_size() != 2) return {};
  if (integer_attribute(node, "axis", 0) != 0) return {};
  return {WeightUse{WeightUse::Kind::kTable, *table, node.input(1)}, ""};
}

}  // namespace vulcap::quantization
