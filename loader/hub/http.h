// HTTP as a hub needs it: redirects, bodies in both directions, a token that one host alone may see.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loader/hub/settings.h"

namespace vulcap::hub {

// What came back.
struct Response {
  long status = 0;                                  // of HTTP; 0: no answer
  std::map<std::string, std::string> headers = {};  // names in small letters
  std::string problem = {};             // why there is no answer, or not all of it; empty: there is
  bool interrupted = false;             // the problem is of the kind that passes: a lost connection
  std::chrono::seconds retry_after{0};  // what the server asks for; 0: nothing
  std::string error_text = {};          // the body of an answer that is no success, its first 4096 bytes

  bool ok() const { return problem.empty() && status >= 200 && status < 300; }
  // Whether the same request may well be answered a little later.
  bool passing() const;
  // "" when there is no such header.
  std::string header(const std::string& name) const;
};

enum class Method { kGet, kHead, kPost, kPut };

// What a POST or a PUT sends; read again where it has to be sent again.
struct Body {
  uint64_t size = 0;
  // Copies bytes from `offset` on: at least one, at most `count`. What it throws, send() throws.
  std::function<size_t(uint64_t offset, char* to, size_t count)> read;
};
Body text_body(std::string text);

struct Request {
  std::string url;
  Method method = Method::kGet;
  uint64_t offset = 0;               // first byte that is wanted
  std::vector<std::string> headers;  // "Name: value"
  Body body;                         // of POST and PUT
  // Receives the body of an answer of 200 to 299 in pieces; `response` holds status and headers by then. What
  // it throws, send() throws.
  std::function<void(const Response& response, std::string_view piece)> on_body;
  // Takes that body as a whole instead; more than 64 MiB are a problem of the response. May be null.
  std::string* text = nullptr;
};

// One connection after another, for one thread.
class HttpClient {
 public:
  // `stop` ends a request under way once it is true; may be null. Both must outlive the client.
  explicit HttpClient(const Settings& settings, const std::atomic<bool>* stop = nullptr);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Follows redirects, ten at most; of a HEAD only those that stay on the host, of a request with a body only
  // those that keep the method (307, 308). The token goes to the endpoint's host only. Whatever the network
  // does ends in the response, not in an exception.
  Response send(const Request& request);
  // The same, tried again while the condition may pass, as often and with such waits as the settings say.
  Response send_patiently(const Request& request);

  // Waits before try number `tries_made` + 1 of what `response` was an answer to. False when it is not to be
  // tried again.
  bool wait_for_next_try(const Response& response, int tries_made) const;

 private:
  struct Exchange;
  Response send_once(const Request& request, const std::string& url);
  void set_body_options(const Request& request, Exchange& exchange);
  void set_options(const Request& request, const std::string& url, Exchange& exchange);
  bool stopped() const { return stop_ != nullptr && stop_->load(); }

  const Settings& settings_;
  const std::atomic<bool>* stop_;
  void* handle_;
  std::string own_origin_;
};

}  // namespace vulcap::hub
