#include "runtime/cpu/aligned_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/core/error.h"

namespace vulcap::cpu {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMapAbove = size_t{1} << 20;
constexpr size_t kHugePage = size_t{2} << 20;

[[noreturn]] void exhausted(size_t bytes) {
  throw core::Error(core::ErrorCode::kRuntime, "out of memory: " + std::to_string(bytes >> 20) +
                                                   " MiB more are needed; use a smaller model or dtype");
}

std::byte* map_pages(size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) exhausted(bytes);
  if (bytes >= kHugePage) madvise(pages, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte*>(pages);
}

}  // namespace

AlignedMemory::AlignedMemory(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes > SIZE_MAX / 2) exhausted(bytes);
  if (bytes >= kMapAbove) {
    data_ = map_pages(bytes);
    return;
  }
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (data_ == nullptr) exhausted(bytes);
  std::memset(data_, 0, rounded);
}

AlignedMemory::~AlignedMemory() {
  if (data_ == nullptr) return;
  if (size_ >= kMapAbove) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
}

}  // namespace vulcap::cpu
