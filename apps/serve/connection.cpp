#include "apps/serve/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace vulcap::apps::serve {
namespace {

constexpr size_t kReceiveBytes = size_t(16) << 10;
// What a client may still send after the reply: time and bytes until the socket is closed on it.
constexpr std::chrono::milliseconds kFarewellTime{1000};
constexpr size_t kFarewellBytes = size_t(4) << 20;

}  // namespace

Connection::Connection(int socket, const Limits& limits) : limits_(limits), socket_(socket) {
  const int yes = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

Connection::~Connection() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) close(socket_);
}

bool Connection::wait(short events, Clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd file{socket_, events, 0};
    const int ready = poll(&file, 1, int(std::min<long long>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

ssize_t Connection::receive(char* to, size_t size, Clock::time_point deadline) {
  if (!wait(POLLIN, deadline)) return -1;
  for (;;) {
    const ssize_t got = recv(socket_, to, size, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

Connection::Head Connection::receive_head() {
  const auto deadline = opened_ + limits_.head_time;
  std::array<char, kReceiveBytes> chunk;
  for (size_t searched = 0;;) {
    if (buffer_.find("\r\n\r\n", searched) != std::string::npos) break;
    if (buffer_.size() > limits_.head_bytes) return Head::kTooLarge;
    searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
    const ssize_t got = receive(chunk.data(), chunk.size(), deadline);
    if (got <= 0) return got < 0 && Clock::now() >= deadline ? Head::kTooSlow : Head::kNone;
    buffer_.append(chunk.data(), size_t(got));
  }
  if (buffer_.find("\r\n\r\n") > limits_.head_bytes) return Head::kTooLarge;
  deadline_ = Clock::now() + limits_.body_time;
  return Head::kWhole;
}

std::string_view Connection::request_line() const {
  return std::string_view(buffer_).substr(0, buffer_.find("\r\n"));
}

void Connection::set_received() {
  deadline_ = Clock::now() + limits_.answer_time;
  received_ = true;
}

bool Connection::client_is_there() const {
  pollfd file{socket_, POLLRDHUP, 0};
  return poll(&file, 1, 0) == 0;
}

ssize_t Connection::read(char* to, size_t size) {
  if (read_ == buffer_.size()) {
    // Heads and chunk sizes are read byte by byte, so what comes is kept here.
    buffer_.resize(kReceiveBytes);
    read_ = 0;
    const ssize_t got = receive(buffer_.data(), buffer_.size(), deadline_);
    buffer_.resize(size_t(std::max<ssize_t>(got, 0)));
    if (got <= 0) return got;
  }
  const size_t count = std::min(size, buffer_.size() - read_);
  std::copy_n(buffer_.data() + read_, count, to);
  read_ += count;
  return ssize_t(count);
}

ssize_t Connection::write(const char* from, size_t size) {
  for (size_t sent = 0; sent < size;) {
    if (!wait(POLLOUT, deadline_)) return -1;
    const ssize_t count = send(socket_, from + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EINTR && errno != EAGAIN) return -1;
    sent += size_t(std::max<ssize_t>(count, 0));
  }
  return ssize_t(size);
}

void Connection::finish() {
  shutdown(socket_, SHUT_WR);
  std::array<char, kReceiveBytes> chunk;
  const auto deadline = Clock::now() + kFarewellTime;
  for (size_t total = 0; total < kFarewellBytes;) {
    const ssize_t got = receive(chunk.data(), chunk.size(), deadline);
    if (got <= 0) break;
    total += size_t(got);
  }
  const std::lock_guard lock(mutex_);
  close(socket_);
  socket_ = -1;
}

void Connection::cut() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
}

void Connection::get_remote_ip_and_port(std::string&, int&) const {}
void Connection::get_local_ip_and_port(std::string&, int&) const {}

}  // namespace vulcap::apps::serve
