// Counters in the text form that Prometheus reads. Safe for several threads.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "loader/tasks/captioner.h"

namespace vulcap::apps::serve {

class Metrics {
 public:
  // `route` is one of the server's own.
  void count_request(const std::string& route, int status, double seconds);
  void count_batch(size_t images);
  void count_captions(const std::vector<loader::Caption>& captions);

  // `waiting`: requests that are queued or run.
  std::string text(size_t waiting) const;

 private:
  static constexpr std::array<double, 10> kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30};

  struct Times {
    std::array<uint64_t, kBounds.size()> within{};  // not summed up
    uint64_t count = 0;
    double sum = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;  // by route and status
  std::map<std::string, Times> times_;                        // by route
  uint64_t batches_ = 0;
  uint64_t images_ = 0;
  uint64_t tokens_ = 0;
};

}  // namespace vulcap::apps::serve
