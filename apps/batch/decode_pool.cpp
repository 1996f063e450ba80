#include "apps/batch/decode_pool.h"

#include <chrono>
#include <new>

#include "loader/image/decode.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

DecodePool::DecodePool(ItemSource& source, Wanted wanted, int threads, Limits limits)
    : source_(source), wanted_(std::move(wanted)), limits_(limits) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(stop_.get_token()); });
}

DecodePool::~DecodePool() { stop(); }

void DecodePool::stop() { stop_.request_stop(); }

void DecodePool::work(std::stop_token stop) {
  try {
    while (auto taken = take(stop)) {
      Slot slot = decode(taken->first, std::move(taken->second), stop);
      const std::lock_guard lock(mutex_);
      ready_.emplace(taken->first, std::move(slot));
      changed_.notify_all();
    }
    end(nullptr);
  } catch (...) {
    end(std::current_exception());
  }
}

void DecodePool::end(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  if (failure && !failure_) failure_ = failure;
  changed_.notify_all();
}

std::optional<std::pair<uint64_t, BatchItem>> DecodePool::take(std::stop_token stop) {
  const std::lock_guard source_lock(source_mutex_);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return ended_ || given_ - consumed_ < limits_.items; });
    if (ended_ || stop.stop_requested()) return std::nullopt;
  }
  std::optional<BatchItem> item = next_wanted(stop);
  if (!item) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return std::pair(given_++, std::move(*item));
}

std::optional<BatchItem> DecodePool::next_wanted(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::optional<BatchItem> item = source_.next(stop);
    if (!item) return std::nullopt;
    if (!wanted_(*item)) continue;
    if (item->error.empty()) source_.load(*item);
    return item;
  }
  return std::nullopt;
}

DecodePool::Slot DecodePool::decode(uint64_t place, BatchItem item, std::stop_token stop) {
  Slot slot;
  DecodedItem& decoded = slot.decoded;
  decoded.item = std::move(item);
  if (!decoded.item.error.empty()) return slot;
  const auto begin = Clock::now();
  try {
    const std::string name = decoded.item.file;
    std::vector<std::byte> bytes = std::move(decoded.item.bytes);
    if (!decoded.item.path.empty()) bytes = image::read_file(decoded.item.path, name);
    slot.bytes = image::pixel_bytes(bytes);
    if (!reserve(place, slot.bytes, stop)) return slot;
    decoded.image = image::decode_bytes(bytes, name);
  } catch (const std::bad_alloc&) {
    decoded.item.error = decoded.item.file + ": not enough memory to read the image";
  } catch (const std::exception& error) {
    decoded.item.error = error.what();
  }
  decoded.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return slot;
}

// The image that is waited for never waits itself.
bool DecodePool::reserve(uint64_t place, uint64_t bytes, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [&] { return place == consumed_ || bytes_ + bytes <= limits_.bytes; });
  bytes_ += bytes;
  return !stop.stop_requested();
}

std::vector<DecodedItem> DecodePool::next(size_t most) {
  std::vector<DecodedItem> items;
  std::unique_lock lock(mutex_);
  bytes_ -= returned_bytes_;
  returned_bytes_ = 0;
  changed_.notify_all();
  while (items.size() < most && returned_bytes_ * 2 <= limits_.bytes) {
    const bool there = changed_.wait(lock, stop_.get_token(), [&] {
      return ready_.contains(consumed_) || failure_ || (ended_ && consumed_ == given_);
    });
    if (!there || stop_.stop_requested() || !ready_.contains(consumed_)) break;
    auto node = ready_.extract(consumed_++);
    returned_bytes_ += node.mapped().bytes;
    items.push_back(std::move(node.mapped().decoded));
    changed_.notify_all();
  }
  if (items.empty() && failure_) std::rethrow_exception(failure_);
  return items;
}

}  // namespace vulcap::apps
