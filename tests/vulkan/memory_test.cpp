// Bookkeeping without a device: free ranges, hazards and the pipeline cache file.
#include "runtime/vulkan/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "runtime/vulkan/cache_file.h"
#include "runtime/vulkan/hazards.h"

namespace vulcap::vulkan {
namespace {

TEST(FreeList, AlignsAndMerges) {
  FreeList list(1000);
  EXPECT_EQ(list.take(10, 1), 0u);
  EXPECT_EQ(list.take(100, 256), 256u);
  EXPECT_EQ(list.take(246, 2), 10u);
  EXPECT_EQ(list.take(645, 1), UINT64_MAX);
  EXPECT_EQ(list.take(644, 1), 356u);
  list.give(256, 100);
  list.give(0, 10);
  list.give(10, 246);
  EXPECT_EQ(list.take(356, 1), 0u);
  list.give(356, 644);
  list.give(0, 356);
  EXPECT_TRUE(list.whole(1000));
}

TEST(Hazards, OnlyRealConflictsNeedABarrier) {
  const int a = 0, b = 0;
  Hazards hazards;
  const auto needs = [&](std::initializer_list<Access> accesses) {
    return hazards.needs_barrier(std::span(accesses.begin(), accesses.size()));
  };
  EXPECT_FALSE(needs({{&a, 0, 100, false}, {&a, 100, 200, true}}));
  EXPECT_FALSE(needs({{&a, 0, 100, false}, {&a, 200, 300, true}})) << "shared reads, other bytes written";
  EXPECT_FALSE(needs({{&b, 100, 200, true}})) << "another buffer";
  EXPECT_TRUE(needs({{&a, 150, 160, false}})) << "read after write";
  EXPECT_TRUE(needs({{&a, 159, 170, true}})) << "write after read";
  EXPECT_TRUE(needs({{&a, 169, 180, true}})) << "write after write";
  EXPECT_FALSE(needs({{&a, 0, 169, true}})) << "the barrier before cleared what was pending";
  hazards.clear();
  EXPECT_FALSE(needs({{&a, 0, 300, true}}));
}

class CacheFile : public ::testing::Test {
 protected:
  CacheFile() {
    device_.cache_uuid[3] = 7;
    device_.driver_version = 22;
    file_ = std::filesystem::path(::testing::TempDir()) /
            ("vulcap_cache_test_" + std::to_string(::getpid())) / cache_file_name(device_, 5);
    std::filesystem::remove_all(file_.parent_path());
  }
  ~CacheFile() override { std::filesystem::remove_all(file_.parent_path()); }

  DeviceInfo device_;
  std::filesystem::path file_;
  std::vector<std::byte> blob_ = std::vector<std::byte>(1000, std::byte(42));
};

TEST_F(CacheFile, RoundTrip) {
  EXPECT_TRUE(read_cache_file(file_, device_, 5).empty());
  ASSERT_TRUE(write_cache_file(file_, device_, 5, blob_));
  EXPECT_EQ(read_cache_file(file_, device_, 5), blob_);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(file_.parent_path()), {}), 1)
      << "no temporary file stays";
}

TEST_F(CacheFile, AnotherDeviceDriverOrShadersMiss) {
  ASSERT_TRUE(write_cache_file(file_, device_, 5, blob_));
  DeviceInfo other = device_;
  other.driver_version = 23;
  EXPECT_TRUE(read_cache_file(file_, other, 5).empty());
  EXPECT_TRUE(read_cache_file(file_, device_, 6).empty());
  EXPECT_NE(cache_file_name(other, 5), cache_file_name(device_, 5));
}

TEST_F(CacheFile, DamageIsAMiss) {
  ASSERT_TRUE(write_cache_file(file_, device_, 5, blob_));
  const auto size = std::filesystem::file_size(file_);
  for (const uint64_t at : {uint64_t(0), uint64_t(9), uint64_t(50), size - 1}) {
    ASSERT_TRUE(write_cache_file(file_, device_, 5, blob_));
    std::fstream stream(file_, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(std::streamoff(at));
    stream.put('!');
    stream.close();
    EXPECT_TRUE(read_cache_file(file_, device_, 5).empty()) << "byte " << at;
  }
  ASSERT_TRUE(write_cache_file(file_, device_, 5, blob_));
  for (const uint64_t keep : {size - 1, uint64_t(60), uint64_t(3), uint64_t(0)}) {
    std::filesystem::resize_file(file_, keep);
    EXPECT_TRUE(read_cache_file(file_, device_, 5).empty()) << keep << " bytes";
  }
}

TEST_F(CacheFile, AFolderThatCannotBeMadeIsNoError) {
  EXPECT_FALSE(write_cache_file("/proc/nothing/here/file.bin", device_, 5, blob_));
}

}  // namespace
}  // namespace vulcap::vulkan
