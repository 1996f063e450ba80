#include "runtime/cpu/cpu_info.h"

#include <cstdint>
#include <cstring>

#include "runtime/core/thread_pool.h"
#include "runtime/cpu/simd_targets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace vulcap::cpu {
namespace {

#if defined(__x86_64__)

struct Leaf {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Leaf cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Leaf result;
  __get_cpuid_count(leaf, subleaf, &result.a, &result.b, &result.c, &result.d);
  return result;
}

// Register files that the operating system saves (XCR0).
uint64_t saved_registers() {
  if (!(cpuid(1).c >> 27 & 1)) return 0;
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

std::string brand_text() {
  char text[49] = {};
  if (__get_cpuid_max(0x80000000u, nullptr) < 0x80000004u) return "";
  for (uint32_t i = 0; i < 3; ++i) {
    const Leaf leaf = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &leaf, sizeof leaf);
  }
  std::string brand(text);
  const size_t begin = brand.find_first_not_of(' '), end = brand.find_last_not_of(' ');
  return begin == std::string::npos ? "" : brand.substr(begin, end - begin + 1);
}

std::vector<std::string> usable_sets() {
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
  const uint64_t saved = saved_registers();
  const bool ymm = (saved & kYmm) == kYmm, zmm = (saved & kZmm) == kZmm, tiles = (saved & kTiles) == kTiles;
  const Leaf basic = cpuid(1), extended = cpuid(7), more = cpuid(7, 1);
  const struct {
    const char* name;
    bool usable;
  } rows[] = {
      {"SSE4.2", (basic.c >> 20 & 1) != 0},
      {"AVX2", ymm && (extended.b >> 5 & 1)},
      {"FMA", ymm && (basic.c >> 12 & 1)},
      {"F16C", ymm && (basic.c >> 29 & 1)},
      {"AVX-512", zmm && (extended.b >> 16 & 1) && (extended.b >> 17 & 1) && (extended.b >> 30 & 1) &&
                      (extended.b >> 31 & 1)},
      {"AVX-512 VNNI", zmm && (extended.c >> 11 & 1)},
      {"AVX-512 BF16", zmm && (more.a >> 5 & 1)},
      {"AVX-512 FP16", zmm && (extended.d >> 23 & 1)},
      {"AVX VNNI", ymm && (more.a >> 4 & 1)},
      {"AMX BF16", tiles && (extended.d >> 22 & 1)},
      {"AMX INT8", tiles && (extended.d >> 25 & 1)},
  };
  std::vector<std::string> sets;
  for (const auto& row : rows) {
    if (row.usable) sets.emplace_back(row.name);
  }
  return sets;
}

#else

std::string brand_text() { return ""; }
std::vector<std::string> usable_sets() { return {}; }

#endif

}  // namespace

CpuInfo cpu_info() {
  CpuInfo info;
  info.brand = brand_text();
  info.instruction_sets = usable_sets();
  const auto targets = hwy::SupportedTargets() & HWY_TARGETS;
  info.kernels = hwy::TargetName(targets & -targets);
  info.processors = core::available_processors();
  return info;
}

}  // namespace vulcap::cpu
