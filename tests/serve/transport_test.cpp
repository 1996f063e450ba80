// Bytes on a socket that are no good HTTP: each exchange ends, in time, with a reply or none.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "apps/serve/exchange.h"
#include "apps/serve/replies.h"
#include "tests/serve/server.h"

namespace vulcap::testing {
namespace {

using namespace vulcap::apps::serve;

class Echo : public HttpHandler {
 public:
  std::optional<Reply> before_body(const HttpRequest& request) override {
    if (request.method == "POST") return std::nullopt;
    return Reply{200, "text/plain", "here"};
  }
  Reply answer(const HttpRequest& request) override { return {200, "text/plain", request.body}; }
  Reply failure(int status, const std::string& message) override {
    return error_reply({status, message}, true);
  }
};

// What comes back for `bytes`, after which the client closes its side.
std::string exchanged(Exchange& exchange, const Limits& limits, const std::string& bytes) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return "no socket";
  Connection connection(ends[0], limits);
  std::thread client([&] {
    [[maybe_unused]] const ssize_t sent = send(ends[1], bytes.data(), bytes.size(), MSG_NOSIGNAL);
    shutdown(ends[1], SHUT_WR);
  });
  exchange.run(connection);
  client.join();
  connection.finish();
  return read_all(ends[1]);
}

TEST(Transport, ChunkedBodiesAreRead) {
  const Limits limits;
  Echo echo;
  Exchange exchange(limits, echo);
  const std::string answer = exchanged(exchange, limits,
                                       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                                       "chunked\r\n\r\n5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello there")) << answer;
}

TEST(Transport, MutatedRequestsEnd) {
  Limits limits;
  limits.body_bytes = 4096;
  limits.head_time = limits.body_time = std::chrono::seconds(2);
  Echo echo;
  Exchange exchange(limits, echo);
  const std::string seeds[] = {
      "GET /a?b=c%20d&e HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1,2-3\r\nAccept-Encoding: gzip\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: "
      "gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  };
  std::mt19937 random(2);
  const auto draw = [&](size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); };
  size_t good = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = seeds[draw(std::size(seeds))];
    for (size_t j = 0; j < 1 + draw(4); ++j) {
      const size_t at = draw(bytes.size());
      if (draw(3) == 0) bytes.erase(at, 1 + draw(4));
      if (draw(2) == 0 && at < bytes.size()) bytes[at] = char(draw(256));
      if (draw(4) == 0) bytes.insert(std::min(at, bytes.size()), std::string(1 + draw(200), char(draw(256))));
    }
    const std::string answer = exchanged(exchange, limits, bytes);
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 ")) << answer;
    if (answer.starts_with("HTTP/1.1 200")) ++good;
  }
  EXPECT_GT(good, 100U);
}

}  // namespace
}  // namespace vulcap::testing
