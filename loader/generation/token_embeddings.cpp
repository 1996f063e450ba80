#include "loader/generation/token_embeddings.h"

#include <algorithm>

#include "loader/families/model_folder.h"
#include "runtime/core/half.h"

namespace vulcap::loader {

Role token_embeddings_role() {
  return {"token embeddings (input_ids -> inputs_embeds)",
          {"embed_tokens"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (!has_value(graph.inputs, "input_ids")) return "lacks the input input_ids";
            if (graph.inputs.size() != 1) return "takes more than input_ids";
            return has_value(graph.outputs, "inputs_embeds") ? "" : "lacks the output inputs_embeds";
          }};
}

TokenEmbeddings::TokenEmbeddings(session::Device& device, const OnnxFile& file, const LoadOptions& options)
    : session_(device, load_graph(file, options), passes_for(file, options)),
      description_(describe_file("token embeddings", file, options)) {}

core::Tensor TokenEmbeddings::embed(std::span<const int64_t> ids, int rows, int length) {
  const core::Tensor tensor(core::DType::kI64, {rows, length}, std::as_bytes(ids), nullptr, false);
  return session_.run({{"input_ids", tensor}}).at("inputs_embeds");
}

core::Tensor as_float(const core::Tensor& tensor, core::DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  if (dtype == core::DType::kF16) return core::to_half(tensor);
  core::Tensor result(core::DType::kF32, tensor.shape());
  const auto halves = tensor.as<uint16_t>();
  std::transform(halves.begin(), halves.end(), result.mutable_as<float>().begin(), core::half_to_float);
  return result;
}

}  // namespace vulcap::loader
