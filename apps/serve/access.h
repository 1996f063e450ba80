// Who may ask: API keys, and the guard against web pages that talk to a server on the user's machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/serve/api_error.h"
#include "apps/serve/http.h"

namespace vulcap::apps::serve {

struct Access {
  std::string host;                  // that the server listens on
  std::vector<std::string> keys;     // any of them opens; none: nothing is asked for
  std::vector<std::string> origins;  // of web pages on other servers that may ask; "*": any

  // Why the request is refused. Without keys the server is this machine's alone, and a Host field that names
  // another is a page that had its name point here. `open`: needs no key.
  std::optional<ApiError> refusal(const HttpRequest& request, bool open) const;
  // Header fields that let pages of allowed origins read the reply.
  std::vector<std::pair<std::string, std::string>> headers(const HttpRequest& request) const;

 private:
  bool allows(const std::string& origin) const;
  bool has_key(const HttpRequest& request) const;
};

// In a time that does not depend on where they differ.
bool equal_secrets(const std::string& given, const std::string& secret);

}  // namespace vulcap::apps::serve
