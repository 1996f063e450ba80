#include "loader/conversion/quantization/block_products.h"

#include <map>
#include <utility>

#include "loader/conversion/quantization/blocks.h"
#include "loader/conversion/quantization/finite.h"
#include "loader/conversion/quantization/weight_readers.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;

constexpr const char* kDomain = "com.microsoft";
constexpr int64_t kNBitBlock = 32, kNf4Block = 64;

class BlockProducts {
 public:
  BlockProducts(GraphRewriter& rewriter, const Options& options)
      : rewriter_(rewriter), options_(options), nf4_(options.to == Format::kBnb4) {
    block_ = options.block != 0 ? options.block : nf4_ ? kNf4Block : kNBitBlock;
  }

  void replace(Scope& scope, const proto::NodeProto& node, const WeightUse& use) {
    const Stored& stored = weight(use);
    std::vector<std::string> inputs = stored.names;
    inputs.insert(inputs.begin(), use.operand);
    const std::string suffix = nf4_ ? "_Bnb4" : "_Q4";
    const bool adds = !use.addend.empty();
    const std::string product = adds ? rewriter_.unique(node.output(0) + suffix) : node.output(0);
    proto::NodeProto& made =
        rewriter_.emit(scope, nf4_ ? "MatMulBnb4" : "MatMulNBits",
                       node.name().empty() ? "" : rewriter_.unique(node.name() + suffix), inputs, {product});
    made.set_domain(kDomain);
    set_attribute(made, "K", stored.k);
    set_attribute(made, "N", stored.n);
    set_attribute(made, "block_size", block_);
    set_attribute(made, nf4_ ? "quant_type" : "bits", int64_t(nf4_ ? 1 : 4));
    if (adds) rewriter_.emit(scope, "Add", node.name(), {product, use.addend}, {node.output(0)});
  }

 private:
  struct Stored {
    std::vector<std::string> names;
    int64_t k = 0, n = 0;
  };

  const Stored& weight(const WeightUse& use) {
    const auto key = std::pair(use.weight.tensor, use.transposed);
    if (const auto found = stored_.find(key); found != stored_.end()) return found->second;
    const core::Tensor numbers = rewriter_.model().tensor(*use.weight.tensor);
    const std::string name = use.weight.tensor->name();
    require_finite(numbers, name);
    const Matrix matrix{numbers, use.transposed};
    Stored stored{{}, matrix.k(), matrix.n()};
    const auto add = [&](const char* suffix, core::Tensor tensor) {
      stored.names.push_back(rewriter_.add_constant(*use.weight.scope, name + suffix, std::move(tensor)));
    };
    if (nf4_) {
      Nf4Blocks blocks = nf4_blocks(matrix, block_);
      add("_Bnb4", std::move(blocks.numbers));
      add("_absmax", std::move(blocks.scales));
    } else {
      const bool symmetric = options_.symmetric.value_or(true);
      NBitBlocks blocks = n_bit_blocks(matrix, block_, symmetric);
      add("_Q4", std::move(blocks.numbers));
      add("_scales", std::move(blocks.scales));
      if (!symmetric) add("_zero_points", std::move(blocks.zero_points));
    }
    return stored_.emplace(key, std::move(stored)).first->second;
  }

  GraphRewriter& rewriter_;
  const Options& options_;
  bool nf4_;
  int64_t block_ = 0;
  std::map<std::pair<const proto::TensorProto*, bool>, Stored> stored_;
};

}  // namespace

Changes quantize_products_in_blocks(GraphRewriter& rewriter, const Options& options) {
  const Exclusion exclusion(options.exclude);
  const WeightReaders readers(rewriter, {}, true, exclusion);
  Changes changes{0, readers.kept(), exclusion.unmatched()};
  BlockProducts products(rewriter, options);
  rewriter.rewrite([&](Scope& scope, proto::NodeProto& node) {
    const auto use = readers.use(scope, node);
    if (!use) return false;
    products.replace(scope, node, *use);
    ++changes.nodes;
    return true;
  });
  if (changes.nodes > 0) rewriter.import_domain(kDomain, 1);
  return changes;
}

}  // namespace vulcap::quantization
