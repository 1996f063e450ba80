#include "loader/hub/workers.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vulcap::hub {

void run_workers(const Settings& settings, size_t count, std::atomic<bool>& stop,
                 const std::function<void(HttpClient& client, size_t index)>& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto worker = [&] {
    try {
      HttpClient client(settings, &stop);
      for (size_t i = next++; i < count && !stop; i = next++) work(client, i);
    } catch (...) {
      const std::lock_guard guard(mutex);
      if (!stop.exchange(true)) failure = std::current_exception();
    }
  };
  std::vector<std::jthread> threads;
  const size_t wanted = std::min(count, size_t(std::max(settings.workers, 1)));
  for (size_t i = 0; i < wanted; ++i) threads.emplace_back(worker);
  threads.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace vulcap::hub
