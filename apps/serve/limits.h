// What one client may ask for, and all of them together.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vulcap::apps::serve {

struct Limits {
  size_t head_bytes = size_t(16) << 10;     // request line and header fields
  size_t target_bytes = 2048;               // path and query
  size_t body_bytes = size_t(20) << 20;     // unpacked, where it is compressed
  size_t bodies_bytes = size_t(512) << 20;  // of all requests that are being received or answered
  size_t connections = 1024;
  size_t waiting = 64;  // requests that wait for the model, beside those of the running batch
  size_t batch = 8;     // images that run together
  int64_t pixels = 64'000'000;
  int json_depth = 64;
  size_t json_values = 100'000;

  std::chrono::seconds head_time{10};     // from the connection to the end of the head
  std::chrono::seconds body_time{60};     // then to the end of the body
  std::chrono::seconds answer_time{120};  // then to the last byte of an answer
  std::chrono::seconds stop_time{10};     // what is under way when the server is told to stop
};

}  // namespace vulcap::apps::serve
