#include "apps/serve/replies.h"

#include <map>
#include <nlohmann/json.hpp>

#include "apps/cli/remarks.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

const char* error_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 404) return "not_found_error";
  if (status == 503) return "overloaded_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

json or_null(const std::string& text) { return text.empty() ? json() : json(text); }

}  // namespace

const char* status_text(int status) {
  static const std::map<int, const char*> kTexts{
      {200, "OK"},
      {204, "No Content"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {411, "Length Required"},
      {413, "Payload Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {422, "Unprocessable Entity"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  };
  const auto found = kTexts.find(status);
  return found == kTexts.end() ? "Error" : found->second;
}

Reply json_reply(const json& body, int status) {
  Reply reply;
  reply.status = status;
  reply.body = dumped(body) + "\n";
  return reply;
}

json error_json(const ApiError& error, bool plain) {
  const std::string message = error.param.empty() ? error.message : error.param + ": " + error.message;
  if (plain) return {{"error", message}};
  return {{"error",
           {{"message", message},
            {"type", error_type(error.status)},
            {"param", or_null(error.param)},
            {"code", or_null(error.code)}}}};
}

Reply error_reply(const ApiError& error, bool plain) {
  Reply reply = json_reply(error_json(error, plain), error.status);
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.retry_after > 0) reply.headers.emplace_back("Retry-After", std::to_string(error.retry_after));
  return reply;
}

}  // namespace vulcap::apps::serve
