// Token embeddings that are a graph of their own (embed_tokens.onnx), for decoders that take inputs_embeds.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loader/model_dir.h"
#include "loader/tasks/load_options.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

// input_ids alone -> inputs_embeds.
Role token_embeddings_role();

class TokenEmbeddings {
 public:
  TokenEmbeddings(session::Device& device, const OnnxFile& file, const LoadOptions& options);

  // ids i64[rows, length], row-major -> f[rows, length, width].
  core::Tensor embed(std::span<const int64_t> ids, int rows, int length);
  const std::string& description() const { return description_; }
  std::vector<const plan::Plan*> plans() const { return session_.plans(); }

 private:
  session::Session session_;
  std::string description_;
};

// The same numbers as f32 or f16.
core::Tensor as_float(const core::Tensor& tensor, core::DType dtype);

}  // namespace vulcap::loader
