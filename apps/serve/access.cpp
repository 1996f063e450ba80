#include "apps/serve/access.h"

#include <algorithm>

#include "apps/serve/http_server.h"

namespace vulcap::apps::serve {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// "localhost:8080" -> "localhost", "[::1]:8080" -> "::1".
std::string name_in(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.rfind(':'));
}

// "http://localhost:8080" -> "localhost:8080".
std::string host_in(const std::string& origin) {
  const size_t at = origin.find("://");
  return at == std::string::npos ? origin : origin.substr(at + 3);
}

}  // namespace

bool equal_secrets(const std::string& given, const std::string& secret) {
  volatile size_t difference = given.size() ^ secret.size();
  for (size_t i = 0; i < given.size(); ++i)
    difference = difference | size_t((given[i] ^ (secret.empty() ? '\0' : secret[i % secret.size()])) & 0xFF);
  return difference == 0;
}

bool Access::allows(const std::string& origin) const {
  return std::any_of(origins.begin(), origins.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

bool Access::has_key(const HttpRequest& request) const {
  const std::string field = request.header("authorization");
  const std::string given = field.starts_with(kBearer) ? field.substr(kBearer.size()) : std::string();
  bool found = false;
  for (const std::string& key : keys) found |= equal_secrets(given, key);
  return found;
}

std::optional<ApiError> Access::refusal(const HttpRequest& request, bool open) const {
  const std::string asked = request.header("host");
  const std::string name = name_in(asked);
  if (keys.empty() && !asked.empty() && !is_loopback(name) && name != host)
    return ApiError{
        403, "the Host field '" + asked.substr(0, 100) + "' is not this server's name", {}, "wrong_host"};
  const std::string origin = request.header("origin");
  if (!origin.empty() && host_in(origin) != asked && !allows(origin))
    return ApiError{403,
                    "pages from '" + origin.substr(0, 100) +
                        "' may not ask this server; start it with "
                        "--allow-origin to let them",
                    {},
                    "wrong_origin"};
  if (open || keys.empty() || request.method == "OPTIONS" || has_key(request)) return std::nullopt;
  return ApiError{401, "this server asks for an API key: Authorization: Bearer KEY", {}, "invalid_api_key"};
}

std::vector<std::pair<std::string, std::string>> Access::headers(const HttpRequest& request) const {
  const std::string origin = request.header("origin");
  if (origin.empty() || !allows(origin)) return {};
  return {{"Access-Control-Allow-Origin", origin},
          {"Access-Control-Allow-Headers", "Authorization, Content-Type"},
          {"Access-Control-Allow-Methods", "GET, POST"},
          {"Vary", "Origin"}};
}

}  // namespace vulcap::apps::serve
