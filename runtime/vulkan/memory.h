// Device memory, suballocated from blocks, and the buffers in it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/plan/backend.h"
#include "runtime/vulkan/device.h"

namespace vulcap::vulkan {

// Free ranges of one block, pure bookkeeping. First fit; neighbours merge when freed.
class FreeList {
 public:
  explicit FreeList(uint64_t size) { ranges_[0] = size; }
  // Offset of `size` bytes at a multiple of `alignment` (a power of two), or UINT64_MAX when nothing fits.
  uint64_t take(uint64_t size, uint64_t alignment);
  void give(uint64_t offset, uint64_t size);
  // Whether everything is free.
  bool whole(uint64_t size) const { return ranges_.size() == 1 && ranges_.begin()->second == size; }

 private:
  std::map<uint64_t, uint64_t> ranges_;  // offset -> size
};

// Moves bytes between the host and memory that the host cannot map, through a small host-visible buffer.
class Staging;

class Memory : public std::enable_shared_from_this<Memory> {
 public:
  // `force_staging` never maps device memory, so that the staging path runs on devices where all memory is
  // visible. `limit`: bytes that blocks may take in all; 0: as many as the heap has.
  Memory(std::shared_ptr<Device> device, bool force_staging, uint64_t limit = 0);
  ~Memory();

  struct Block {
    Handle<VkDeviceMemory> memory;
    uint64_t size = 0;
    uint32_t type = 0;
    std::byte* mapped = nullptr;
    FreeList free;
  };
  struct Slice {
    Block* block = nullptr;
    uint64_t offset = 0;
    uint64_t size = 0;
  };

  Device& device() { return *device_; }
  Slice allocate(const VkMemoryRequirements& needs, bool host);
  void free(const Slice& slice);
  Staging& staging();
  bool force_staging() const { return force_staging_; }
  // Bytes of the heap that buffers are made in, and of the blocks taken from it.
  uint64_t total() const;
  uint64_t used() const;

  // Whether the host reads it at the speed of its own memory.
  bool is_cached(const Slice& slice) const;

 private:
  uint32_t choose_type(uint32_t allowed, bool host) const;
  Block& add_block(uint64_t size, uint32_t type);
  uint64_t block_bytes() const;

  std::shared_ptr<Device> device_;
  bool force_staging_;
  uint64_t limit_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::unique_ptr<Staging> staging_;
};

// A storage buffer of its own in a slice of a block.
class DeviceBuffer : public plan::Buffer {
 public:
  // host: for staging, host-visible memory before device-local memory.
  DeviceBuffer(std::shared_ptr<Memory> memory, size_t bytes, bool host = false);
  ~DeviceBuffer() override;
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  size_t size() const override { return size_; }
  void write(size_t offset, std::span<const std::byte> bytes) override;
  void read(size_t offset, std::span<std::byte> bytes) override;

  VkBuffer buffer() const { return buffer_.get(); }
  // The bytes themselves where the host sees them, else null.
  std::byte* mapped() const;

 private:
  void check_range(size_t offset, size_t bytes) const;

  std::shared_ptr<Memory> memory_;
  size_t size_;
  Handle<VkBuffer> buffer_;
  Memory::Slice slice_;
  bool direct_;
};

class Staging {
 public:
  explicit Staging(Memory& memory);
  void upload(VkBuffer to, size_t offset, std::span<const std::byte> bytes);
  void download(VkBuffer from, size_t offset, std::span<std::byte> bytes);

 private:
  void copy(VkBuffer from, VkBuffer to, const VkBufferCopy& region);

  Device& device_;
  std::mutex mutex_;
  Handle<VkBuffer> buffer_;
  Handle<VkDeviceMemory> memory_;
  std::byte* mapped_ = nullptr;
  Handle<VkCommandPool> pool_;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  Handle<VkFence> fence_;
};

}  // namespace vulcap::vulkan
