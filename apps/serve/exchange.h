// One request and its reply on the wire, by cpp-httplib's parser.
#pragma once

#include <memory>

#include "apps/serve/connection.h"
#include "apps/serve/http.h"

namespace vulcap::apps::serve {

class Exchange {
 public:
  // Both must live longer.
  Exchange(const Limits& limits, HttpHandler& handler);
  ~Exchange();

  // From many threads at once.
  void run(Connection& connection);
  // A reply to a request that was not read.
  void refuse(Connection& connection, int status, const std::string& message);

 private:
  class Parser;

  const Limits& limits_;
  HttpHandler& handler_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace vulcap::apps::serve
