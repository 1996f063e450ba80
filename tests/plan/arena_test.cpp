#include "runtime/plan/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace vulcap::plan {
namespace {

bool together(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

void expect_sound(const std::vector<Lifetime>& lifetimes, const ArenaLayout& layout) {
  ASSERT_EQ(layout.offsets.size(), lifetimes.size());
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    EXPECT_EQ(layout.offsets[i] % kArenaAlignment, 0u);
    EXPECT_LE(layout.offsets[i] + lifetimes[i].bytes, layout.bytes);
    for (size_t j = i + 1; j < lifetimes.size(); ++j) {
      if (!together(lifetimes[i], lifetimes[j])) continue;
      const bool apart = layout.offsets[i] + lifetimes[i].bytes <= layout.offsets[j] ||
                         layout.offsets[j] + lifetimes[j].bytes <= layout.offsets[i];
      ASSERT_TRUE(apart) << i << " and " << j << " share bytes while both live";
      ASSERT_NE(layout.offsets[i], layout.offsets[j]) << "even empty values need an address of their own";
    }
  }
}

// No layout can take less than what lives at once.
uint64_t most_alive(const std::vector<Lifetime>& lifetimes) {
  uint64_t most = 0;
  for (const Lifetime& at : lifetimes) {
    uint64_t sum = 0;
    for (const Lifetime& l : lifetimes)
      sum +=
          l.first <= at.first && at.first <= l.last ? (std::max<uint64_t>(l.bytes, 1) + 255) / 256 * 256 : 0;
    most = std::max(most, sum);
  }
  return most;
}

TEST(Arena, Empty) {
  const ArenaLayout layout = lay_out({});
  EXPECT_TRUE(layout.offsets.empty());
  EXPECT_EQ(layout.bytes, 0u);
}

TEST(Arena, ReusesWhatIsDead) {
  const std::vector<Lifetime> chain = {{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}};
  const ArenaLayout layout = lay_out(chain);
  expect_sound(chain, layout);
  EXPECT_EQ(layout.bytes, 2048u);
  EXPECT_EQ(layout.offsets[0], layout.offsets[2]);
}

TEST(Arena, AValueThatIsReadWhereAnotherIsWrittenKeepsItsBytes) {
  const std::vector<Lifetime> pair = {{256, 0, 3}, {256, 3, 5}};
  EXPECT_EQ(lay_out(pair).bytes, 512u);
}

TEST(Arena, FillsGaps) {
  const std::vector<Lifetime> lifetimes = {
      {4096, 0, 1}, {2048, 1, 9}, {1024, 2, 3}, {1024, 2, 3}, {512, 4, 5}};
  const ArenaLayout layout = lay_out(lifetimes);
  expect_sound(lifetimes, layout);
  EXPECT_EQ(layout.bytes, 4096u + 2048u);
}

TEST(Arena, RandomLifetimesNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lifetimes;
    const int calls = 1 + int(random() % 40);
    for (int i = 0; i < 1 + int(random() % 60); ++i) {
      const int32_t first = int32_t(random() % uint32_t(calls));
      lifetimes.push_back({random() % 5 == 0 ? 0 : random() % 10000, first, first + int32_t(random() % 6)});
    }
    const ArenaLayout layout = lay_out(lifetimes);
    expect_sound(lifetimes, layout);
    EXPECT_GE(layout.bytes, most_alive(lifetimes));
    EXPECT_LE(layout.bytes, 2 * most_alive(lifetimes)) << "hardly anything is reused";
  }
}

}  // namespace
}  // namespace vulcap::plan
