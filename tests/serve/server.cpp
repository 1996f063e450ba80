#include "tests/serve/server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "loader/base64.h"
#include "tests/apps/model_folder.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kStartTime{60};

// "vulcap: serving NAME at http://127.0.0.1:43210" -> 43210; 0 while it is not there.
int port_in(const std::string& text) {
  const std::string mark = "at http://127.0.0.1:";
  const size_t at = text.find(mark);
  const size_t end = at == std::string::npos ? at : text.find('\n', at);
  return end == std::string::npos ? 0 : std::stoi(text.substr(at + mark.size(), end - at - mark.size()));
}

}  // namespace

Server::Server(const Arguments& arguments) {
  Arguments all{"serve", "--port", "0", "--device", "cpu"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  child_ = std::make_unique<ChildProcess>(VULCAP_PROGRAM, all, program_environment({}));
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (port_ == 0 && std::chrono::steady_clock::now() < deadline) {
    const bool ended = child_->finishes_within(std::chrono::milliseconds(20));
    port_ = port_in(child_->collected().err);
    if (ended) break;
  }
  if (port_ == 0) throw std::runtime_error("the server did not start: " + child_->collected().err);
}

httplib::Client Server::client() const {
  httplib::Client client("127.0.0.1", port_);
  client.set_read_timeout(120);
  return client;
}

httplib::Result Server::post(const std::string& path, const std::string& body,
                             const httplib::Headers& headers) const {
  return client().Post(path, headers, body, body.starts_with('{') ? "application/json" : "image/png");
}

json Server::chat(const json& body) const {
  const auto result = post("/v1/chat/completions", body.dump());
  if (!result) throw std::runtime_error("no answer: " + to_string(result.error()));
  return json::parse(result->body);
}

Outcome Server::stop() {
  send(SIGTERM);
  return wait();
}

int raw_connection(int port, const std::string& bytes) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket);
    return -1;
  }
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += size_t(count);
  }
  return socket;
}

std::string read_all(int socket) {
  const timeval limit{60, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = recv(socket, buffer, sizeof buffer, 0)) > 0;) text.append(buffer, size_t(got));
  close(socket);
  return text;
}

std::string raw_exchange(int port, const std::string& bytes) {
  const int socket = raw_connection(port, bytes);
  return socket < 0 ? "" : read_all(socket);
}

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    const fs::path folder = kEmbeddedModel / "expected/images";
    const json captions = json::parse(read_file(kEmbeddedModel / "expected/pipeline.json"));
    std::vector<Sample> found;
    for (const json& entry : captions["cases"]) {
      if (!entry["params"].empty()) continue;
      found.push_back({read_file(folder / entry["input"]["image"].get<std::string>()),
                       entry["expected"]["texts"][0].get<std::string>()});
    }
    return found;
  }();
  return all;
}

std::string data_uri(const std::string& bytes) {
  return "data:image/png;base64," + loader::encode_base64(bytes);
}

json chat_body(const std::string& bytes) {
  const json part{{"type", "image_url"}, {"image_url", {{"url", data_uri(bytes)}}}};
  return {{"messages", {{{"role", "user"}, {"content", {part}}}}}};
}

}  // namespace vulcap::testing
