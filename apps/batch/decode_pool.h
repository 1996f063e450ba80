// Reads and decodes images on threads, ahead of whoever captions them, within a bound of memory.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "apps/batch/item.h"
#include "loader/image/image.h"

namespace vulcap::apps {

struct DecodedItem {
  BatchItem item;  // with an error when there is no image
  image::Image image;
  double seconds = 0;  // from the file to pixels
};

class DecodePool {
 public:
  struct Limits {
    size_t items = 64;                     // that are ahead
    uint64_t bytes = uint64_t(512) << 20;  // of pixels; a single image may be larger
  };
  using Wanted = std::function<bool(const BatchItem&)>;

  // Skips items that are not `wanted`, which is called in order, an item at a time. `source` is used by the
  // pool alone as long as the pool is there.
  DecodePool(ItemSource& source, Wanted wanted, int threads, Limits limits);
  ~DecodePool();  // waits for images that are being decoded

  // The next items in the order of the source: `most` of them, or fewer where they take half the bound of
  // memory; none at the end or once stop() was called. What was returned before counts as freed. Throws what
  // the source threw.
  std::vector<DecodedItem> next(size_t most);
  void stop();

 private:
  struct Slot {
    DecodedItem decoded;
    uint64_t bytes = 0;
  };

  void work(std::stop_token stop);
  // The next wanted item and its place in the order.
  std::optional<std::pair<uint64_t, BatchItem>> take(std::stop_token stop);
  std::optional<BatchItem> next_wanted(std::stop_token stop);
  Slot decode(uint64_t place, BatchItem item, std::stop_token stop);
  bool reserve(uint64_t place, uint64_t bytes, std::stop_token stop);
  void end(std::exception_ptr failure);

  ItemSource& source_;
  Wanted wanted_;
  Limits limits_;
  std::mutex source_mutex_;  // before mutex_
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<uint64_t, Slot> ready_;
  uint64_t given_ = 0;     // places given to workers
  uint64_t consumed_ = 0;  // places that next() has returned
  uint64_t bytes_ = 0;     // reserved, returned ones included
  uint64_t returned_bytes_ = 0;
  bool ended_ = false;
  std::exception_ptr failure_;
  std::stop_source stop_;
  std::vector<std::jthread> threads_;
};

}  // namespace vulcap::apps
