#include "apps/serve/http_server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "apps/serve/connection.h"
#include "apps/serve/exchange.h"
#include "runtime/core/error.h"

namespace vulcap::apps::serve {
namespace {

constexpr int kBacklog = 512;
constexpr int kTidyMilliseconds = 1000;
constexpr std::chrono::milliseconds kTimeToEnd{500};  // of a connection that was cut
constexpr size_t kOwnFiles = 64;                      // descriptors for everything but connections

[[noreturn]] void fail_listening(const std::string& host, int port, const std::string& why) {
  throw core::Error(core::ErrorCode::kRuntime, "cannot listen on " + host + " port " + std::to_string(port) +
                                                   ": " + why + "; choose another with --host and --port");
}

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses addresses_of(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int problem = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (problem != 0) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--host " + host + ": no address of this machine: " + gai_strerror(problem));
  }
  return {found, freeaddrinfo};
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// Descriptors for as many connections as may come.
void raise_file_limit(size_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur =
      std::min<rlim_t>(limit.rlim_max, std::max<rlim_t>(limit.rlim_cur, connections + kOwnFiles));
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

HttpServer::HttpServer(const Limits& limits, HttpHandler& handler)
    : limits_(limits),
      handler_(handler),
      exchange_(std::make_unique<Exchange>(limits, handler)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

HttpServer::~HttpServer() {
  for (Client& client : clients_) client.thread.join();
  if (socket_ >= 0) close(socket_);
  close(wake_);
}

int HttpServer::listen(const std::string& host, int port) {
  raise_file_limit(limits_.connections);
  const Addresses addresses = addresses_of(host, port);
  const addrinfo& address = *addresses;
  socket_ = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  if (socket_ < 0 || setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(socket_, address.ai_addr, address.ai_addrlen) != 0 || ::listen(socket_, kBacklog) != 0)
    fail_listening(host, port, std::strerror(errno));
  return port_of(socket_);
}

void HttpServer::run() {
  while (!stopping_) {
    pollfd files[] = {{socket_, POLLIN, 0}, {wake_, POLLIN, 0}};
    poll(files, 2, clients_.empty() ? -1 : kTidyMilliseconds);
    forget_finished();
    if ((files[0].revents & POLLIN) != 0 && !stopping_) accept_one();
  }
  close(socket_);
  socket_ = -1;
  for (Client& client : clients_) {
    if (!client.connection->received()) client.connection->cut();
  }
  for (Client& client : clients_) client.thread.join();
  clients_.clear();
}

void HttpServer::stop() {
  stopping_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

void HttpServer::accept_one() {
  const int socket = accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) {
    const bool out_of_files = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (out_of_files && !make_room()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return;
  }
  auto connection = std::make_shared<Connection>(socket, limits_);
  if (clients_.size() >= limits_.connections && !make_room()) return refuse(connection);
  try {
    Client client{connection, {}, std::make_shared<std::atomic<bool>>(false)};
    client.thread = std::thread([this, connection, done = client.done] {
      serve(*connection);
      *done = true;
    });
    clients_.push_back(std::move(client));
  } catch (const std::system_error&) {  // no more threads
    refuse(connection);
  }
}

void HttpServer::refuse(const std::shared_ptr<Connection>& connection) {
  exchange_->refuse(*connection, 503, "too many connections");
}

bool HttpServer::make_room() {
  const auto is_cuttable = [](const Client& client) {
    return !*client.done && !client.connection->received();
  };
  const auto oldest = std::find_if(clients_.begin(), clients_.end(), is_cuttable);
  if (oldest == clients_.end()) return false;
  oldest->connection->cut();
  const size_t before = clients_.size();
  for (const auto end = Connection::Clock::now() + kTimeToEnd; Connection::Clock::now() < end;) {
    forget_finished();
    if (clients_.size() < before) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

void HttpServer::forget_finished() {
  clients_.remove_if([](Client& client) {
    if (!*client.done) return false;
    client.thread.join();
    return true;
  });
}

void HttpServer::serve(Connection& connection) {
  exchange_->run(connection);
  connection.finish();
}

bool is_loopback(const std::string& host) {
  in_addr address{};
  const bool is_address = inet_pton(AF_INET, host.c_str(), &address) == 1;
  return host == "localhost" || host == "::1" || (is_address && ntohl(address.s_addr) >> 24 == 127);
}

}  // namespace vulcap::apps::serve
