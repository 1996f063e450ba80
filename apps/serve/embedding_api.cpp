#include "apps/serve/embedding_api.h"

#include "apps/serve/request_json.h"
#include "loader/base64.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

EmbeddingInput read_input(const json& value, const std::string& where) {
  if (value.is_string()) {
    auto text = value.get<std::string>();
    if (text.empty()) throw ApiError{400, "must not be empty", where};
    return {std::move(text), {}};
  }
  if (value.is_object() && value.contains("image") && value["image"].is_string()) {
    EmbeddingInput input{{}, image_bytes(value["image"].get<std::string>(), false, where + ".image")};
    if (input.image.empty()) throw ApiError{400, "holds no bytes", where + ".image"};
    return input;
  }
  throw ApiError{400, "must be a text, or {\"image\": \"data:image/png;base64,...\"}; token ids are not read",
                 where};
}

json vectors_json(const loader::Embedding& embedding, bool base64) {
  if (base64) {
    return loader::encode_base64(
        {reinterpret_cast<const char*>(embedding.values.data()), embedding.values.size() * sizeof(float)});
  }
  if (embedding.rows == 1) return embedding.values;
  json rows = json::array();
  for (int64_t i = 0; i < embedding.rows; ++i) {
    const auto row = embedding.row(i);
    rows.push_back(std::vector<float>(row.begin(), row.end()));
  }
  return rows;
}

}  // namespace

EmbeddingRequest parse_embedding(const json& body) {
  EmbeddingRequest request;
  request.model = string_field(body, "model");
  const std::string format = string_field(body, "encoding_format");
  if (!format.empty() && format != "float" && format != "base64")
    throw ApiError{400, "is float or base64, not '" + format + "'", "encoding_format"};
  request.base64 = format == "base64";
  for (const auto& [name, value] : body.items()) {
    if (name == "dimensions" && !value.is_null())
      throw ApiError{400, "the model's own number of dimensions counts; leave it out", name,
                     "unsupported_parameter"};
    if (name != "model" && name != "input" && name != "encoding_format" && name != "user" &&
        name != "dimensions")
      throw ApiError{400, "is no field of this API", name, "unknown_parameter"};
  }
  const json input = body.value("input", json());
  if (!input.is_array()) {
    request.inputs.push_back(read_input(input, "input"));
    return request;
  }
  for (size_t i = 0; i < input.size(); ++i)
    request.inputs.push_back(read_input(input[i], "input[" + std::to_string(i) + "]"));
  if (request.inputs.empty()) throw ApiError{400, "must not be empty", "input"};
  return request;
}

json embedding_answer(const EmbeddingJob& job, const std::string& model, bool base64) {
  json answer{{"object", "list"}, {"model", model}, {"data", json::array()}};
  size_t tokens = 0;
  for (size_t i = 0; i < job.embeddings().size(); ++i) {
    const loader::Embedding& embedding = job.embeddings()[i];
    tokens += embedding.ids.size();
    answer["data"].push_back(
        {{"object", "embedding"}, {"index", i}, {"embedding", vectors_json(embedding, base64)}});
  }
  answer["usage"] = {{"prompt_tokens", tokens}, {"total_tokens", tokens}};
  return answer;
}

}  // namespace vulcap::apps::serve
