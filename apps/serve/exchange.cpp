#include "apps/serve/exchange.h"

#include <algorithm>
#include <atomic>
#include <cctype>

namespace vulcap::apps::serve {
namespace {

constexpr const char* kAllow = "GET, HEAD, POST, OPTIONS";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

HttpRequest head_of(const httplib::Request& from, const Connection& connection) {
  HttpRequest request;
  request.method = from.method;
  request.path = from.path;
  request.query.assign(from.params.begin(), from.params.end());
  for (const auto& [name, value] : from.headers) {
    std::string& all = request.headers[lower(name)];
    all += (all.empty() ? "" : ", ") + value;
  }
  request.client_is_there = [&connection] { return connection.client_is_there(); };
  return request;
}

void fill(httplib::Response& response, Reply reply) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name, value);
  if (!reply.stream) {
    response.set_content(reply.body, reply.type);
    return;
  }
  const auto write_all = [stream = std::move(reply.stream)](size_t, httplib::DataSink& sink) {
    stream([&sink](std::string_view piece) {
      return sink.is_writable() && sink.write(piece.data(), piece.size());
    });
    sink.done();
    return true;
  };
  response.set_chunked_content_provider(reply.type, write_all);
}

// The connection whose request this thread parses.
thread_local Connection* current = nullptr;

}  // namespace

// Only the parser of httplib::Server is used, with a handler for every path.
class Exchange::Parser : public httplib::Server {
 public:
  Parser(const Limits& limits, HttpHandler& handler) : limits_(limits), handler_(handler) {
    svr_sock_ = 0;  // else replies in pieces end at once, as if the server were stopped
    set_payload_max_length(limits.body_bytes);
    set_pre_routing_handler([this](const auto& request, auto& response) {
      return before_body(request, response) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    set_expect_100_continue_handler([this](const auto& request, auto& response) {
      return before_body(request, response) ? response.status : 100;
    });
    Post(R"([\s\S]*)", [this](const auto& request, auto& response, const auto& reader) {
      answer(request, response, reader);
    });
    set_error_handler(httplib::Server::Handler([this](const auto&, auto& response) {
      if (response.body.empty())
        fill(response, handler_.failure(response.status, transport_problem(response.status)));
    }));
  }

  void run(Connection& connection) {
    current = &connection;
    bool closed = false;
    process_request(connection, true, closed, [](httplib::Request& request) {
      // A reply is always whole; a part of it may be asked for and need not be given.
      request.headers.erase("Range");
      request.ranges.clear();
    });
    current = nullptr;
  }

 private:
  static std::string transport_problem(int status) {
    if (status == 413) return "the body is larger than this server takes";
    if (status == 400) return "the request is not HTTP/1.1 as this server reads it";
    return status_text(status);
  }

  // Whether the reply is there already.
  bool before_body(const httplib::Request& from, httplib::Response& response) {
    const HttpRequest request = head_of(from, *current);
    if (auto reply = refusal(request)) {
      fill(response, std::move(*reply));
    } else if (auto early = handler_.before_body(request)) {
      current->set_received();
      fill(response, std::move(*early));
    } else {
      return false;
    }
    return true;
  }

  std::optional<Reply> refusal(const HttpRequest& request) {
    const std::string& method = request.method;
    if (method != "GET" && method != "HEAD" && method != "POST" && method != "OPTIONS") {
      Reply reply = handler_.failure(405, "this server knows no method " + method);
      reply.headers.emplace_back("Allow", kAllow);
      return reply;
    }
    if (method != "POST") return std::nullopt;
    const std::string coding = lower(request.header("transfer-encoding"));
    if (!coding.empty() && coding != "chunked")
      return handler_.failure(501, "Transfer-Encoding is read as chunked only");
    if (coding.empty()) return refused_length(request.header("content-length"));
    return std::nullopt;
  }

  std::optional<Reply> refused_length(const std::string& length) {
    if (length.empty()) return handler_.failure(411, "the request says no Content-Length");
    const bool is_number = length.size() < 18 && std::all_of(length.begin(), length.end(),
                                                             [](unsigned char c) { return std::isdigit(c); });
    if (!is_number) return handler_.failure(400, "Content-Length is no length in bytes");
    if (std::stoull(length) > limits_.body_bytes) return too_large();
    return std::nullopt;
  }

  Reply too_large() {
    return handler_.failure(413, "the body is larger than the " + std::to_string(limits_.body_bytes) +
                                     " bytes that this server takes (--max-body)");
  }

  void answer(const httplib::Request& from, httplib::Response& response,
              const httplib::ContentReader& reader) {
    if (from.is_multipart_form_data()) {
      return fill(response, handler_.failure(415,
                                             "forms are not read; send the image's bytes alone, as with "
                                             "curl --data-binary @FILE"));
    }
    HttpRequest request = head_of(from, *current);
    size_t counted = 0;
    int problem = 0;
    const bool whole = reader([&](const char* data, size_t size) {
      if (request.body.size() + size > limits_.body_bytes) problem = 413;
      if ((bodies_ += size) > limits_.bodies_bytes) problem = 503;
      counted += size;
      if (problem == 0) request.body.append(data, size);
      return problem == 0;
    });
    const bool late = current->late();
    current->set_received();
    if (problem == 413) {
      fill(response, too_large());
    } else if (problem == 503) {
      fill(response, handler_.failure(503, "too many large requests at once"));
    } else if (!whole && late) {
      fill(response, handler_.failure(408, "the body did not come in time"));
    } else if (!whole) {
      fill(response, handler_.failure(400,
                                      "the body cannot be read: cut short, or not in the coding that the "
                                      "header names"));
    } else {
      fill(response, handler_.answer(request));
    }
    bodies_ -= counted;
  }

  const Limits& limits_;
  HttpHandler& handler_;
  std::atomic<size_t> bodies_ = 0;  // bytes in memory
};

Exchange::Exchange(const Limits& limits, HttpHandler& handler)
    : limits_(limits), handler_(handler), parser_(std::make_unique<Parser>(limits, handler)) {}

Exchange::~Exchange() = default;

void Exchange::run(Connection& connection) {
  switch (connection.receive_head()) {
    case Connection::Head::kNone:
      return;
    case Connection::Head::kTooSlow:
      return refuse(connection, 408, "the request did not come in time");
    case Connection::Head::kTooLarge:
      return refuse(connection, 431,
                    "the header fields are larger than " + std::to_string(limits_.head_bytes) + " bytes");
    case Connection::Head::kWhole:
      break;
  }
  if (connection.request_line().size() > limits_.target_bytes)
    return refuse(connection, 414,
                  "the path is longer than " + std::to_string(limits_.target_bytes) + " bytes");
  parser_->run(connection);
}

void Exchange::refuse(Connection& connection, int status, const std::string& message) {
  connection.set_received();
  const Reply reply = handler_.failure(status, message);
  std::string text = "HTTP/1.1 " + std::to_string(status) + " " + status_text(status) + "\r\n";
  for (const auto& [name, value] : reply.headers) text += name + ": " + value + "\r\n";
  text += "Content-Type: " + reply.type + "\r\nContent-Length: " + std::to_string(reply.body.size()) +
          "\r\nConnection: close\r\n\r\n" + reply.body;
  connection.write(text.data(), text.size());
}

}  // namespace vulcap::apps::serve
