// Requests and replies as the handlers see them; http_server.h brings them to the wire.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vulcap::apps::serve {

struct HttpRequest {
  std::string method;
  std::string path;  // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;
  std::map<std::string, std::string> headers;  // names in lower case; values of equal names joined by ", "
  std::string body;
  std::function<bool()> client_is_there;

  // Empty when it is missing. `name` in lower case.
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

// Returns false when nobody reads any more.
using WritePiece = std::function<bool(std::string_view)>;

struct Reply {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Writes the body in pieces as they come, in place of `body`; must not throw.
  std::function<void(const WritePiece&)> stream = {};
};

// Called by many threads at once.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // What the head alone decides: a reply without a look at the body.
  virtual std::optional<Reply> before_body(const HttpRequest& request) = 0;
  // Must not throw.
  virtual Reply answer(const HttpRequest& request) = 0;
  // For a request that broke a rule of the transport.
  virtual Reply failure(int status, const std::string& message) = 0;
};

// "Not Found" for 404.
const char* status_text(int status);

}  // namespace vulcap::apps::serve
