// Host memory aligned for vector loads; large blocks ask for huge pages.
#pragma once

#include <cstddef>
#include <utility>

namespace vulcap::cpu {

class AlignedMemory {
 public:
  AlignedMemory() = default;
  // Zeroed, aligned to 64 bytes. Throws core::Error(kRuntime) when memory is exhausted.
  explicit AlignedMemory(size_t bytes);
  ~AlignedMemory();
  AlignedMemory(AlignedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedMemory& operator=(AlignedMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace vulcap::cpu
