#include "tests/serve/load.h"

#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include "tests/serve/server.h"

namespace vulcap::testing {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr const char* kHugeNumbers = R"({"messages": -1e999, "max_tokens": -99999999999999999999})";

class Client {
 public:
  Client(int port, unsigned seed, LoadOutcome& outcome, std::mutex& mutex)
      : port_(port), random_(seed), outcome_(outcome), mutex_(mutex) {}

  void ask(double malformed) {
    if (std::uniform_real_distribution<double>()(random_) < malformed) {
      ask_badly();
    } else {
      ask_well();
    }
  }

 private:
  size_t draw(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  // Raw bytes, a completion or a stream, with one of two settings, so that batches are mixed.
  void ask_well() {
    const Sample& sample = samples()[draw(samples().size())];
    const size_t form = draw(3);
    json body = chat_body(sample.bytes);
    if (form == 2) body["stream"] = true;
    if (draw(2) == 0) body["max_tokens"] = 23;
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(120);
    const auto begin = Clock::now();
    const auto result = form == 0 ? client.Post("/", sample.bytes, "image/png")
                                  : client.Post("/v1/chat/completions", body.dump(), "application/json");
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const std::lock_guard lock(mutex_);
    if (!result) {
      outcome_.wrong.push_back("no answer: " + to_string(result.error()));
    } else if (result->status == 503 && result->has_header("Retry-After")) {
      ++outcome_.busy;
    } else if (result->status != 200) {
      outcome_.wrong.push_back("status " + std::to_string(result->status) + ": " + result->body);
    } else if (const std::string text = text_of(result->body, form); text != sample.caption) {
      outcome_.wrong.push_back("'" + text + "' for '" + sample.caption + "'");
    } else {
      ++outcome_.good;
      outcome_.seconds.push_back(seconds);
    }
  }

  static std::string text_of(const std::string& body, size_t form) {
    if (form == 0) return json::parse(body)[0]["generated_text"];
    if (form == 1) return json::parse(body)["choices"][0]["message"]["content"];
    std::string text;
    for (const std::string& line : lines_of(body)) {
      if (!line.starts_with("data: {")) continue;
      const json event = json::parse(line.substr(6));
      if (!event["choices"].empty()) text += event["choices"][0]["delta"].value("content", "");
    }
    return text;
  }

  void ask_badly() {
    std::string bytes = bad_request();
    const int socket = raw_connection(port_, bytes);
    const std::string answer = socket < 0 ? "" : read_all(socket);
    const std::lock_guard lock(mutex_);
    ++outcome_.malformed;
    const bool refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
    if (!refused && !answer.empty())
      outcome_.wrong.push_back("malformed, and answered: " + answer.substr(0, 80));
  }

  std::string post(const std::string& path, const std::string& body, size_t length) {
    return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(length) +
           "\r\n\r\n" + body;
  }

  std::string bad_request() {
    const Sample& sample = samples()[draw(samples().size())];
    std::string image = sample.bytes;
    const std::string chat = chat_body(sample.bytes).dump();
    switch (draw(8)) {
      case 0:  // a broken image
        for (int i = 0; i < 20; ++i) image[8 + draw(image.size() - 8)] = char(draw(256));
        return post("/", image.substr(0, image.size() / 2), image.size() / 2);
      case 1:
        return post("/v1/chat/completions", chat.substr(0, chat.size() / 2), chat.size() / 2);
      case 2:
        return post("/v1/chat/completions", std::string(5000, '['), 5000);
      case 3:
        return post("/", "", 99'999'999'999);
      case 4:
        return "\x16\x03\x01 no HTTP at all\r\n\r\n";
      case 5:
        return "GET / HTTP/1.1\r\n" + std::string(40'000, 'x') + "\r\n\r\n";
      case 6:
        return post("/models/another", image, image.size());
      default:
        return post("/v1/chat/completions", kHugeNumbers, std::string_view(kHugeNumbers).size());
    }
  }

  int port_;
  std::mt19937 random_;
  LoadOutcome& outcome_;
  std::mutex& mutex_;
};

// Holds connections open that never send a whole request, and makes new ones for those that were cut.
void crawl(int port, int count, Clock::time_point end) {
  std::vector<int> sockets(size_t(count), -1);
  while (Clock::now() < end) {
    for (int& socket : sockets) {
      if (socket >= 0 && send(socket, "x", 1, MSG_NOSIGNAL) == 1) continue;
      if (socket >= 0) close(socket);
      socket = raw_connection(port, "GET / HTTP/1.1\r\nX: ");
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  for (const int socket : sockets) {
    if (socket >= 0) close(socket);
  }
}

int number_in(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

}  // namespace

LoadPlan LoadPlan::from_environment() {
  LoadPlan plan;
  plan.clients = number_in("VULCAP_LOAD_CLIENTS", plan.clients);
  plan.seconds = number_in("VULCAP_LOAD_SECONDS", int(plan.seconds));
  plan.slow = number_in("VULCAP_LOAD_SLOW", plan.slow);
  return plan;
}

LoadOutcome run_load(int port, const LoadPlan& plan) {
  LoadOutcome outcome;
  std::mutex mutex;
  std::vector<std::thread> threads;
  const auto end = Clock::now() + std::chrono::milliseconds(int64_t(plan.seconds * 1e3));
  if (plan.slow > 0) threads.emplace_back(crawl, port, plan.slow, end);
  for (int i = 0; i < plan.clients; ++i) {
    threads.emplace_back([&, i] {
      Client client(port, plan.seed * 1000 + unsigned(i), outcome, mutex);
      while (Clock::now() < end) client.ask(plan.malformed);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::sort(outcome.seconds.begin(), outcome.seconds.end());
  return outcome;
}

std::string LoadOutcome::summary(const LoadPlan& plan) const {
  const auto at = [&](double part) {
    return seconds.empty() ? 0.0 : seconds[size_t(double(seconds.size() - 1) * part)] * 1e3;
  };
  char text[256];
  std::snprintf(text, sizeof text,
                "%d clients, %.0f s: %zu captions right, %zu malformed refused, %zu told to wait, %zu wrong; "
                "%.1f captions/s, p50 %.1f ms, p99 %.1f ms",
                plan.clients, plan.seconds, good, malformed, busy, wrong.size(), double(good) / plan.seconds,
                at(0.5), at(0.99));
  return text;
}

}  // namespace vulcap::testing
