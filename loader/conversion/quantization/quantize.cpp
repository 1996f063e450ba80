#include "loader/conversion/quantization/quantize.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "loader/conversion/quantization/block_products.h"
#include "loader/conversion/quantization/graph_rewriter.h"
#include "loader/conversion/quantization/half.h"
#include "loader/conversion/quantization/integer_operators.h"
#include "loader/conversion/quantization/static_operators.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace proto = ::onnx;
using core::ErrorCode;

constexpr std::array kFormats = {Format::kFp16, Format::kQ8,    Format::kInt8, Format::kUint8,
                                 Format::kQ4,   Format::kQ4F16, Format::kBnb4};
constexpr std::array<std::string_view, 7> kNames = {"fp16", "q8", "int8", "uint8", "q4", "q4f16", "bnb4"};
constexpr int64_t kSmallestBlock = 16, kLargestBlock = 1024;

[[noreturn]] void refuse(const std::string& message) { throw core::Error(ErrorCode::kUsage, message); }

bool is_integer(Format format) {
  return format == Format::kQ8 || format == Format::kInt8 || format == Format::kUint8;
}

bool is_block(Format format) {
  return format == Format::kQ4 || format == Format::kQ4F16 || format == Format::kBnb4;
}

void check(const Options& options) {
  const std::string name(format_name(options.to));
  if ((options.per_channel || options.reduce_range) && !is_integer(options.to))
    refuse("per-channel scales and a reduced range are of int8, uint8 and q8, not of " + name);
  if (options.calibration && !is_integer(options.to))
    refuse("calibration is for int8, uint8 and q8, not for " + name);
  if (options.symmetric && (options.to == Format::kFp16 || options.to == Format::kBnb4))
    refuse(name + " has no zero points; leave out symmetric and asymmetric");
  if (options.block == 0) return;
  if (!is_block(options.to)) refuse("blocks are of q4, q4f16 and bnb4, not of " + name);
  if (options.block < kSmallestBlock || options.block > kLargestBlock ||
      (options.block & (options.block - 1)) != 0)
    refuse("a block of " + std::to_string(options.block) + "; it is a power of two from " +
           std::to_string(kSmallestBlock) + " to " + std::to_string(kLargestBlock));
}

bool is_quantized_operator(const std::string& op) {
  static const std::set<std::string> kOthers = {"MatMulNBits",
                                                "MatMulBnb4",
                                                "MatMulInteger",
                                                "MatMulIntegerToFloat",
                                                "ConvInteger",
                                                "DynamicQuantizeLinear",
                                                "DynamicQuantizeMatMul",
                                                "DynamicQuantizeLSTM",
                                                "GatherBlockQuantized",
                                                "QuantizeLinear",
                                                "DequantizeLinear",
                                                "QGemm",
                                                "QAttention",
                                                "QEmbedLayerNormalization",
                                                "QMoE"};
  return kOthers.count(op) > 0 || op.starts_with("QLinear");
}

// The first node of a quantised model; "" where there is none.
std::string quantized_node(GraphRewriter& rewriter) {
  std::string found;
  rewriter.each_node([&](Scope&, const proto::NodeProto& node) {
    if (found.empty() && is_quantized_operator(node.op_type())) found = node_text(node);
  });
  return found;
}

bool has_half_weights(const proto::ModelProto& model) {
  const auto& tensors = model.graph().initializer();
  return std::any_of(tensors.begin(), tensors.end(), [](const proto::TensorProto& tensor) {
    return tensor.data_type() == proto::TensorProto::FLOAT16;
  });
}

void refuse_converted(GraphRewriter& rewriter, Format to) {
  if (const std::string node = quantized_node(rewriter); !node.empty())
    refuse("is quantised already (" + node + "); start from the fp32 file that it was made from");
  if (!has_half_weights(rewriter.model().proto()) || to == Format::kQ4F16 || to == Format::kBnb4) return;
  const std::string advice = to == Format::kQ4 ? "; q4f16 is for such a file" : "; start from the fp32 file";
  refuse("is in half precision already" + advice);
}

Format integer_format(GraphRewriter& rewriter, Format to) {
  if (to != Format::kQ8) return to;
  bool convolves = false;
  rewriter.each_node([&](Scope&, const proto::NodeProto& node) { convolves |= node.op_type() == "Conv"; });
  return convolves ? Format::kUint8 : Format::kInt8;
}

Changes quantize_in_blocks(GraphRewriter& rewriter, const Options& options) {
  rewriter.lift_constants(2);
  Changes changes = quantize_products_in_blocks(rewriter, options);
  if (options.to != Format::kQ4F16) return changes;
  rewriter.remove_unused();
  const Changes half = turn_to_half(rewriter, {});
  if (changes.nodes == 0) changes.nodes = half.nodes;
  return changes;
}

Changes quantize_in_integers(GraphRewriter& rewriter, Options options) {
  // Limits of activations behind convolutions are single numbers.
  rewriter.lift_constants(options.calibration ? 0 : 2);
  options.to = integer_format(rewriter, options.to);
  return options.calibration ? quantize_statically(rewriter, options)
                             : quantize_to_integers(rewriter, options);
}

}  // namespace

std::string_view format_name(Format format) { return kNames[size_t(format)]; }

std::string format_suffix(Format format) {
  return format == Format::kQ8 ? "_quantized" : "_" + std::string(format_name(format));
}

Format parse_format(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return kFormats[size_t(found - kNames.begin())];
  std::string known;
  for (const std::string_view other : kNames) known += (known.empty() ? "" : ", ") + std::string(other);
  refuse("unknown format \"" + std::string(name) + "\"; use one of " + known);
}

Options fitted(Options options, Format to) {
  options.to = to;
  if (!is_integer(to)) options.per_channel = options.reduce_range = false;
  if (!is_integer(to)) options.calibration = nullptr;
  if (!is_block(to)) options.block = 0;
  if (to == Format::kFp16 || to == Format::kBnb4) options.symmetric = std::nullopt;
  return options;
}

Changes quantize_model(onnx::EditableModel& model, const Options& options) {
  check(options);
  GraphRewriter rewriter(model);
  refuse_converted(rewriter, options.to);
  Changes changes = options.to == Format::kFp16 ? turn_to_half(rewriter, options.exclude)
                    : is_block(options.to)      ? quantize_in_blocks(rewriter, options)
                                                : quantize_in_integers(rewriter, options);
  rewriter.remove_unused();
  return changes;
}

}  // namespace vulcap::quantization
