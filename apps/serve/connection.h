// One client's socket: a single request comes in and a single reply goes out, each within its time.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "apps/serve/limits.h"

namespace vulcap::apps::serve {

// The stream that the HTTP parser reads and writes. Of one thread, but for what says otherwise.
class Connection : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Head { kWhole, kNone, kTooLarge, kTooSlow };

  // Takes the socket over.
  Connection(int socket, const Limits& limits);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Reads request line and header fields; what follows stays for read(). kNone: the client said nothing.
  Head receive_head();
  // "GET /path HTTP/1.1"; after kWhole.
  std::string_view request_line() const;
  // The request is whole; from now on the time of the answer runs. Any thread may ask for received().
  void set_received();
  bool received() const { return received_; }
  // The time for what is under way is up.
  bool late() const { return Clock::now() >= deadline_; }
  // False when the client has closed its side.
  bool client_is_there() const;
  // Says farewell so that the last reply arrives even where the client is still sending.
  void finish();
  // Ends the exchange at once; from any thread.
  void cut();

  bool is_readable() const override { return true; }
  bool is_writable() const override { return client_is_there(); }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  // No descriptor: the parser refuses those that select() could not take, which is not used here.
  int socket() const override { return 0; }

 private:
  // Waits for `events`; false when the time is up.
  bool wait(short events, Clock::time_point deadline) const;
  ssize_t receive(char* to, size_t size, Clock::time_point deadline);

  const Limits& limits_;
  std::mutex mutex_;  // of socket_ against cut()
  int socket_;
  Clock::time_point opened_ = Clock::now();
  Clock::time_point deadline_ = opened_;
  std::atomic<bool> received_ = false;
  std::string buffer_;  // received and not yet read
  size_t read_ = 0;     // of buffer_
};

}  // namespace vulcap::apps::serve
