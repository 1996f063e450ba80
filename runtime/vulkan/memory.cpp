#include "runtime/vulkan/memory.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/error.h"

namespace vulcap::vulkan {
namespace {

constexpr uint64_t kBlockBytes = 32u << 20;
constexpr uint64_t kStagingBytes = 4u << 20;
// The host reads device memory over the bus a word at a time: beyond so many bytes a copy to host memory is
// faster.
constexpr size_t kUncachedReadBytes = 64;
constexpr VkMemoryPropertyFlags kHostFlags =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr uint32_t kNoType = UINT32_MAX;

VkBuffer create_buffer(const Device& device, uint64_t bytes) {
  auto info = structure<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkBuffer buffer = VK_NULL_HANDLE;
  check(device.api().vkCreateBuffer(device.api().device, &info, nullptr, &buffer), "vkCreateBuffer");
  return buffer;
}

uint32_t find_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed,
                   VkMemoryPropertyFlags wanted) {
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    if ((allowed >> i & 1u) != 0 && (memory.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
  }
  return kNoType;
}

// Cached where there is such a type: what the host writes it also reads.
uint32_t find_host_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed) {
  const uint32_t cached = find_type(memory, allowed, kHostFlags | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
  return cached != kNoType ? cached : find_type(memory, allowed, kHostFlags);
}

}  // namespace

uint64_t FreeList::take(uint64_t size, uint64_t alignment) {
  for (auto it = ranges_.begin(); it != ranges_.end(); ++it) {
    const auto [begin, length] = *it;
    const uint64_t offset = (begin + alignment - 1) & ~(alignment - 1);
    if (offset + size > begin + length) continue;
    ranges_.erase(it);
    if (offset > begin) ranges_[begin] = offset - begin;
    if (offset + size < begin + length) ranges_[offset + size] = begin + length - offset - size;
    return offset;
  }
  return UINT64_MAX;
}

void FreeList::give(uint64_t offset, uint64_t size) {
  auto next = ranges_.lower_bound(offset);
  if (next != ranges_.end() && offset + size == next->first) {
    size += next->second;
    next = ranges_.erase(next);
  }
  if (next != ranges_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += size;
      return;
    }
  }
  ranges_[offset] = size;
}

Memory::Memory(std::shared_ptr<Device> device, bool force_staging, uint64_t limit)
    : device_(std::move(device)), force_staging_(force_staging), limit_(limit) {}

Memory::~Memory() = default;

uint32_t Memory::choose_type(uint32_t allowed, bool host) const {
  const VkPhysicalDeviceMemoryProperties& memory = device_->memory();
  if (host) return find_host_type(memory, allowed);
  const uint32_t local = find_type(memory, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
  const uint32_t both = find_type(memory, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | kHostFlags);
  if (both == kNoType || local == kNoType) return local != kNoType ? local : find_type(memory, allowed, 0);
  // A small window into device memory (256 MiB without resizable BAR) must not be filled with weights.
  const auto heap_bytes = [&](uint32_t type) {
    return memory.memoryHeaps[memory.memoryTypes[type].heapIndex].size;
  };
  return heap_bytes(both) >= heap_bytes(local) ? both : local;
}

bool Memory::is_cached(const Slice& slice) const {
  return (device_->memory().memoryTypes[slice.block->type].propertyFlags &
          VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
}

uint64_t Memory::total() const {
  const VkPhysicalDeviceMemoryProperties& memory = device_->memory();
  const uint64_t heap = memory.memoryHeaps[memory.memoryTypes[choose_type(UINT32_MAX, false)].heapIndex].size;
  return limit_ == 0 ? heap : std::min(heap, limit_);
}

uint64_t Memory::used() const {
  const std::lock_guard lock(mutex_);
  return block_bytes();
}

uint64_t Memory::block_bytes() const {
  uint64_t bytes = 0;
  for (const auto& block : blocks_) bytes += block->size;
  return bytes;
}

Memory::Block& Memory::add_block(uint64_t size, uint32_t type) {
  auto info = structure<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  info.allocationSize = size;
  info.memoryTypeIndex = type;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  const DeviceApi& api = device_->api();
  const std::string what =
      "allocating " + std::to_string((size + (1u << 20) - 1) >> 20) + " MiB of device memory";
  if (limit_ != 0 && block_bytes() + size > limit_)
    throw plan::OutOfMemory(what + " would go beyond the limit of " + std::to_string(limit_ >> 20) + " MiB");
  const VkResult result = api.vkAllocateMemory(api.device, &info, nullptr, &memory);
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY)
    throw plan::OutOfMemory(what + " failed: its memory is full");
  check(result, what.c_str());
  auto block = std::make_unique<Block>(
      Block{device_->own(memory, api.vkFreeMemory), size, type, nullptr, FreeList(size)});
  if ((device_->memory().memoryTypes[type].propertyFlags & kHostFlags) == kHostFlags) {
    void* mapped = nullptr;
    check(api.vkMapMemory(api.device, memory, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
    block->mapped = static_cast<std::byte*>(mapped);
  }
  blocks_.push_back(std::move(block));
  return *blocks_.back();
}

Memory::Slice Memory::allocate(const VkMemoryRequirements& needs, bool host) {
  const uint32_t type = choose_type(needs.memoryTypeBits, host);
  const std::lock_guard lock(mutex_);
  for (const auto& block : blocks_) {
    if (block->type != type) continue;
    const uint64_t offset = block->free.take(needs.size, needs.alignment);
    if (offset != UINT64_MAX) return {block.get(), offset, needs.size};
  }
  const uint64_t usual = limit_ == 0 ? kBlockBytes : std::min(kBlockBytes, std::max(limit_ / 8, needs.size));
  Block& block = add_block(needs.size > usual / 2 ? needs.size : usual, type);
  return {&block, block.free.take(needs.size, needs.alignment), needs.size};
}

void Memory::free(const Slice& slice) {
  const std::lock_guard lock(mutex_);
  slice.block->free.give(slice.offset, slice.size);
  if (!slice.block->free.whole(slice.block->size)) return;
  std::erase_if(blocks_, [&](const auto& block) { return block.get() == slice.block; });
}

Staging& Memory::staging() {
  const std::lock_guard lock(mutex_);
  if (!staging_) staging_ = std::make_unique<Staging>(*this);
  return *staging_;
}

DeviceBuffer::DeviceBuffer(std::shared_ptr<Memory> memory, size_t bytes, bool host)
    : memory_(std::move(memory)), size_(bytes), direct_(host || !memory_->force_staging()) {
  const Device& device = memory_->device();
  const DeviceApi& api = device.api();
  // Whole words, so that a kernel may read the last one; never empty, which Vulkan forbids.
  const uint64_t padded = std::max<uint64_t>(16, (uint64_t(bytes) + 15) & ~uint64_t(15));
  if (padded > device.info().caps.max_allocation_bytes) {
    throw plan::OutOfMemory(
        "a buffer of " + std::to_string(bytes >> 20) + " MiB is over the device's limit of " +
        std::to_string(device.info().caps.max_allocation_bytes >> 20) + " MiB for one allocation");
  }
  buffer_ = device.own(create_buffer(device, padded), api.vkDestroyBuffer);
  VkMemoryRequirements needs{};
  api.vkGetBufferMemoryRequirements(api.device, buffer_.get(), &needs);
  slice_ = memory_->allocate(needs, host);
  const VkResult bound =
      api.vkBindBufferMemory(api.device, buffer_.get(), slice_.block->memory.get(), slice_.offset);
  if (bound != VK_SUCCESS) memory_->free(slice_);
  check(bound, "vkBindBufferMemory");
}

DeviceBuffer::~DeviceBuffer() {
  buffer_ = {};
  memory_->free(slice_);
}

std::byte* DeviceBuffer::mapped() const {
  return direct_ && slice_.block->mapped != nullptr ? slice_.block->mapped + slice_.offset : nullptr;
}

void DeviceBuffer::check_range(size_t offset, size_t bytes) const {
  if (offset <= size_ && bytes <= size_ - offset) return;
  throw core::Error(core::ErrorCode::kRuntime, "access of " + std::to_string(bytes) + " bytes at " +
                                                   std::to_string(offset) + " is outside a buffer of " +
                                                   std::to_string(size_) + " bytes");
}

void DeviceBuffer::write(size_t offset, std::span<const std::byte> bytes) {
  check_range(offset, bytes.size());
  if (bytes.empty()) return;
  if (std::byte* target = mapped()) {
    std::memcpy(target + offset, bytes.data(), bytes.size());
  } else {
    memory_->staging().upload(buffer_.get(), offset, bytes);
  }
}

void DeviceBuffer::read(size_t offset, std::span<std::byte> bytes) {
  check_range(offset, bytes.size());
  if (bytes.empty()) return;
  const std::byte* source = mapped();
  if (source != nullptr && (bytes.size() <= kUncachedReadBytes || memory_->is_cached(slice_))) {
    std::memcpy(bytes.data(), source + offset, bytes.size());
  } else {
    memory_->staging().download(buffer_.get(), offset, bytes);
  }
}

Staging::Staging(Memory& memory)
    : device_(memory.device()),
      pool_(device_.create_command_pool()),
      commands_(device_.allocate_commands(pool_.get())),
      fence_(device_.create_fence()) {
  const DeviceApi& api = device_.api();
  buffer_ = device_.own(create_buffer(device_, kStagingBytes), api.vkDestroyBuffer);
  VkMemoryRequirements needs{};
  api.vkGetBufferMemoryRequirements(api.device, buffer_.get(), &needs);
  auto info = structure<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  info.allocationSize = needs.size;
  info.memoryTypeIndex = find_host_type(device_.memory(), needs.memoryTypeBits);
  VkDeviceMemory staging = VK_NULL_HANDLE;
  check(api.vkAllocateMemory(api.device, &info, nullptr, &staging), "allocating the staging buffer");
  memory_ = device_.own(staging, api.vkFreeMemory);
  check(api.vkBindBufferMemory(api.device, buffer_.get(), staging, 0), "vkBindBufferMemory");
  void* mapped = nullptr;
  check(api.vkMapMemory(api.device, staging, 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory");
  mapped_ = static_cast<std::byte*>(mapped);
}

void Staging::copy(VkBuffer from, VkBuffer to, const VkBufferCopy& region) {
  const DeviceApi& api = device_.api();
  auto begin = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  check(api.vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
  auto barrier = structure<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  constexpr VkPipelineStageFlags kDevice =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  api.vkCmdPipelineBarrier(commands_, kDevice, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &barrier, 0, nullptr, 0,
                           nullptr);
  api.vkCmdCopyBuffer(commands_, from, to, 1, &region);
  barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
  api.vkCmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT,
                           VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier,
                           0, nullptr, 0, nullptr);
  check(api.vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
  device_.submit_and_wait(commands_, fence_.get());
}

void Staging::upload(VkBuffer to, size_t offset, std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  for (size_t done = 0; done < bytes.size();) {
    const size_t part = std::min<size_t>(kStagingBytes, bytes.size() - done);
    std::memcpy(mapped_, bytes.data() + done, part);
    copy(buffer_.get(), to, {0, offset + done, part});
    done += part;
  }
}

void Staging::download(VkBuffer from, size_t offset, std::span<std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  for (size_t done = 0; done < bytes.size();) {
    const size_t part = std::min<size_t>(kStagingBytes, bytes.size() - done);
    copy(from, buffer_.get(), {offset + done, 0, part});
    std::memcpy(bytes.data() + done, mapped_, part);
    done += part;
  }
}

}  // namespace vulcap::vulkan
