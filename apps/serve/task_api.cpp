#include "apps/serve/task_api.h"

#include <algorithm>
#include <array>

#include "apps/serve/request_json.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

constexpr std::array kNested{"generation_parameters", "generation_kwargs", "generate_kwargs"};

bool is_json(const HttpRequest& request) {
  return request.header("content-type").starts_with("application/json") || request.body.starts_with('{');
}

void read_setting(const std::string& name, const json& value, CaptionRequest& request) {
  const bool is_prompt = name == "prompt" || name == "text";
  if (is_prompt || name == "task") {
    if (!value.is_string()) throw ApiError{400, "must be a string", name};
    (is_prompt ? request.prompt.text : request.prompt.task) = value.get<std::string>();
  } else if (!add_generation_flag(name, value, request.flags)) {
    throw ApiError{400, "is no setting of a caption", name, "unknown_parameter"};
  }
}

void read_parameters(const json& parameters, CaptionRequest& request) {
  if (!parameters.is_object()) throw ApiError{400, "must be an object", "parameters"};
  for (const auto& [name, value] : parameters.items()) {
    const bool nested = std::find(kNested.begin(), kNested.end(), name) != kNested.end();
    if (!nested) {
      read_setting(name, value, request);
      continue;
    }
    if (!value.is_object()) throw ApiError{400, "must be an object", name};
    for (const auto& [inner, inner_value] : value.items()) read_setting(inner, inner_value, request);
  }
}

CaptionRequest parse_json(const json& body) {
  CaptionRequest request;
  for (const auto& [name, value] : body.items()) {
    if (name == "parameters") {
      read_parameters(value, request);
    } else if (name == "inputs") {
      if (!value.is_string()) throw ApiError{400, "must be one image in base64", name};
      request.image = image_bytes(value.get<std::string>(), true, name);
    } else if (name != "options") {  // caching and loading on a hub: nothing to do here
      throw ApiError{400, "is no field of this API; settings go into parameters", name, "unknown_parameter"};
    }
  }
  return request;
}

}  // namespace

CaptionRequest parse_task(const HttpRequest& request, const Limits& limits) {
  CaptionRequest caption;
  if (is_json(request)) {
    caption = parse_json(parse_body(request.body, limits));
  } else {
    caption.image = request.body;
  }
  for (const auto& [name, value] : request.query) read_setting(name, value, caption);
  if (caption.image.empty())
    throw ApiError{400, "there is no image: send its bytes, or {\"inputs\": \"<base64>\"}", "inputs"};
  return caption;
}

json task_answer(const CaptionJob& job) {
  json answer = json::array();
  for (const loader::Caption& caption : job.record().captioned.result.captions)
    answer.push_back({{"generated_text", caption.text}});
  return answer;
}

}  // namespace vulcap::apps::serve
