// Images decoded ahead: their order, their bounds, and an end at any moment.
#include "apps/batch/decode_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <span>

#include "tests/batch/temp_files.h"

namespace vulcap::testing {
namespace {

using apps::BatchItem;
using apps::DecodePool;

// `count` times the sample image, from memory; every fifth is broken.
class Samples : public apps::ItemSource {
 public:
  explicit Samples(int count) : count_(count), bytes_(read_file(kSampleImage)) {}

  std::optional<BatchItem> next(std::stop_token) override {
    if (given == count_) return std::nullopt;
    if (given == throw_at) throw std::runtime_error("the source is gone");
    return BatchItem{.file = std::to_string(given++), .path = {}};
  }
  void load(BatchItem& item) override {
    const auto bytes = std::as_bytes(std::span(bytes_));
    item.bytes.assign(bytes.begin(), bytes.end());
    if (given % 5 == 0) item.bytes.resize(100);
  }

  std::atomic<int> given{0};
  int throw_at = -1;

 private:
  int count_;
  std::string bytes_;
};

const auto kAll = [](const BatchItem&) { return true; };

TEST(DecodePool, KeepsTheOrderOfItsSource) {
  for (int threads : {1, 4}) {
    Samples samples(103);
    DecodePool pool(samples, kAll, threads, {.items = 10});
    int next = 0;
    for (auto items = pool.next(7); !items.empty(); items = pool.next(7)) {
      for (const auto& decoded : items) {
        EXPECT_EQ(decoded.item.file, std::to_string(next++));
        EXPECT_EQ(decoded.item.error.empty(), next % 5 != 0);
        EXPECT_EQ(decoded.image.width > 0, next % 5 != 0);
      }
    }
    EXPECT_EQ(next, 103);
  }
}

TEST(DecodePool, SkipsWhatIsNotWanted) {
  Samples samples(50);
  DecodePool pool(samples, [](const BatchItem& item) { return item.file.ends_with('3'); }, 3, {.items = 4});
  std::vector<std::string> names;
  for (auto items = pool.next(2); !items.empty(); items = pool.next(2)) {
    for (const auto& decoded : items) names.push_back(decoded.item.file);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"3", "13", "23", "33", "43"}));
}

TEST(DecodePool, IsAheadNoFurtherThanItMay) {
  Samples samples(1000);
  DecodePool pool(samples, kAll, 4, {.items = 12});
  pool.next(5);
  for (int i = 0; i < 50 && samples.given < 17; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(samples.given, 17);
}

// The bound is below one image: they come one by one, and still all of them.
TEST(DecodePool, MemoryIsBoundedWithoutStandingStill) {
  Samples samples(40);
  DecodePool pool(samples, kAll, 4, {.items = 30, .bytes = 1000});
  int count = 0;
  for (auto items = pool.next(16); !items.empty(); items = pool.next(16)) count += int(items.size());
  EXPECT_EQ(count, 40);
}

TEST(DecodePool, WhatTheSourceThrowsReachesTheReader) {
  Samples samples(40);
  samples.throw_at = 20;
  DecodePool pool(samples, kAll, 4, {.items = 30});
  EXPECT_THROW(while (!pool.next(8).empty()){}, std::runtime_error);
}

TEST(DecodePool, EndsAtAnyMoment) {
  for (int i = 0; i < 30; ++i) {
    Samples samples(1000);
    DecodePool pool(samples, kAll, 4, {.items = 6});
    for (int batch = 0; batch < i % 4; ++batch) pool.next(3);
    if (i % 2 == 0) continue;
    pool.stop();
    EXPECT_TRUE(pool.next(3).empty());
  }
}

}  // namespace
}  // namespace vulcap::testing
