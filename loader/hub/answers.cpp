#include "loader/hub/answers.h"

#include <charconv>

#include "loader/hub/failure.h"
#include "loader/hub/names.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::hub {

using nlohmann::json;

Request post_request(const std::string& url, std::string text) {
  Request request;
  request.url = url;
  request.method = Method::kPost;
  request.headers = {"Content-Type: application/json"};
  request.body = text_body(std::move(text));
  return request;
}

json read_answer(HttpClient& client, const Settings& settings, const Source& target, Request request) {
  std::string text;
  request.text = &text;
  const Response response = client.send_patiently(request);
  if (!response.ok()) fail_to_push(response, settings, target, target.repo);
  json answer = parse_answer(text, request.url);
  if (!answer.is_object()) fail_as_no_hub(request.url, "no object");
  return answer;
}

json parse_answer(const std::string& text, const std::string& url) {
  try {
    return loader::parse_json(text, url);
  } catch (const core::Error& error) {
    throw core::Error(core::ErrorCode::kRuntime, error.message());
  }
}

std::string text_of(const json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

std::optional<uint64_t> number_of(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

void fail_as_no_hub(const std::string& url, const std::string& problem) {
  throw core::Error(core::ErrorCode::kRuntime, printable(url) + ": not the answer of a hub (" +
                                                   printable(problem) + "); is HF_ENDPOINT right?");
}

}  // namespace vulcap::hub
