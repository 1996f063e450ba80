// /v1/embeddings as OpenAI's clients speak it; beside texts an input may be {"image": "data:image/png;..."}.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/serve/embedding_service.h"

namespace vulcap::apps::serve {

struct EmbeddingRequest {
  std::vector<EmbeddingInput> inputs;
  std::string model;  // as the client names it; empty: not
  bool base64 = false;
};

// Throws ApiError.
EmbeddingRequest parse_embedding(const nlohmann::json& body);
// "embedding" is a vector, of models with late interaction a list of vectors. base64: of little-endian f32,
// row after row.
nlohmann::json embedding_answer(const EmbeddingJob& job, const std::string& model, bool base64);

}  // namespace vulcap::apps::serve
