#include "runtime/vulkan/executable.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/vulkan/hazards.h"

namespace vulcap::vulkan {
namespace {

// A bound range of a buffer.
struct Range {
  DeviceBuffer* buffer = nullptr;
  uint64_t offset = 0;
  uint64_t size = 0;
  bool written = false;
};

// Device calls [begin, end) of one command buffer; then, unless `host_call` is negative, that call on the
// host.
struct Segment {
  VkCommandBuffer commands = VK_NULL_HANDLE;  // null: no device call
  int32_t host_call = -1;
  size_t first = 0, last = 0;              // of recorded calls, [first, last)
  VkCommandBuffer timed = VK_NULL_HANDLE;  // the same with a time stamp behind each call
};

// What is bound for `bytes`: shaders read words, and buffers are padded to 16 bytes.
uint64_t whole_words(uint64_t bytes) { return (bytes + 3) & ~uint64_t(3); }

class VulkanExecutable : public plan::Executable {
 public:
  VulkanExecutable(std::shared_ptr<Device> device, std::shared_ptr<Memory> memory, plan::BuildRequest request)
      : device_(std::move(device)),
        memory_(std::move(memory)),
        request_(std::move(request)),
        calls_(request_.calls.begin(), request_.calls.end()),
        pool_(device_->create_command_pool()),
        fence_(device_->create_fence()),
        dummy_(memory_, 16) {}

  void record(Pipelines& pipelines, const DeviceCaps& caps);
  void run() override;
  std::vector<plan::Timing> run_timed() override;

 private:
  struct Recorded {
    size_t call;
    Dispatch dispatch;
    uint32_t bindings;
    Pipeline pipeline;
    VkDescriptorSet set;
  };

  bool on_host(size_t call) const { return !request_.on_host.empty() && request_.on_host[call] != 0; }
  Range resolve(const ops::Binding& binding) const;
  void choose(Pipelines& pipelines, const DeviceCaps& caps);
  void allocate_sets();
  void write_set(const Recorded& recorded) const;
  void record_segments();
  void record_call(VkCommandBuffer commands, const Recorded& recorded, Hazards& hazards) const;
  void finish_segment(VkCommandBuffer commands) const;
  void run_on_host(const ops::KernelCall& call);
  void make_timed_commands();

  std::shared_ptr<Device> device_;
  std::shared_ptr<Memory> memory_;
  plan::BuildRequest request_;
  std::vector<ops::KernelCall> calls_;
  Handle<VkCommandPool> pool_;
  Handle<VkDescriptorPool> sets_;
  Handle<VkFence> fence_;
  DeviceBuffer dummy_;  // stands for empty operands
  std::vector<Recorded> recorded_;
  std::vector<Segment> segments_;
  Handle<VkQueryPool> stamps_;  // made by the first run_timed: one a call, and one in front of each segment
  std::vector<std::vector<std::byte>> host_copies_;  // one a binding, where the host does not see the buffer
  std::vector<uint32_t> host_state_;
};

Range VulkanExecutable::resolve(const ops::Binding& binding) const {
  plan::Buffer* buffer = nullptr;
  switch (binding.kind) {
    case ops::BufferKind::kArena:
      buffer = request_.arena.get();
      break;
    case ops::BufferKind::kConstant:
      buffer = request_.constants.at(binding.index).get();
      break;
    case ops::BufferKind::kExternal:
      buffer = request_.external.at(binding.index).get();
      break;
    case ops::BufferKind::kState:
      buffer = request_.state.get();
      break;
  }
  auto* device_buffer = dynamic_cast<DeviceBuffer*>(buffer);
  const uint64_t size =
      binding.kind == ops::BufferKind::kState && device_buffer != nullptr && binding.size == 0
          ? device_buffer->size()
          : binding.size;
  if (device_buffer == nullptr || binding.offset + size > device_buffer->size()) {
    throw core::Error(core::ErrorCode::kRuntime, "a kernel call binds bytes outside its buffer (offset " +
                                                     std::to_string(binding.offset) + ", size " +
                                                     std::to_string(size) + ")");
  }
  return {device_buffer, binding.offset, size, binding.written};
}

void VulkanExecutable::choose(Pipelines& pipelines, const DeviceCaps& caps) {
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (on_host(i)) continue;
    VariantChoice choice = choose_variant(calls_[i], caps);
    if (!choice.refusal.empty()) {
      throw core::Error(core::ErrorCode::kRuntime, std::string(ops::kernels()[calls_[i].kernel].name) +
                                                       " does not run on " + device_->info().name + ": " +
                                                       choice.refusal);
    }
    if (choice.dispatch.groups[0] == 0 || choice.dispatch.groups[1] == 0 || choice.dispatch.groups[2] == 0)
      continue;
    const auto bindings = std::max(choice.dispatch.module->bindings, uint32_t(calls_[i].bindings.size()));
    recorded_.push_back({i, std::move(choice.dispatch), bindings, {}, VK_NULL_HANDLE});
  }
  std::vector<const Dispatch*> dispatches;
  std::vector<uint32_t> counts;
  for (const Recorded& recorded : recorded_) {
    dispatches.push_back(&recorded.dispatch);
    counts.push_back(recorded.bindings);
  }
  const std::vector<Pipeline> made = pipelines.get(dispatches, counts);
  for (size_t i = 0; i < recorded_.size(); ++i) recorded_[i].pipeline = made[i];
}

void VulkanExecutable::allocate_sets() {
  if (recorded_.empty()) return;
  uint32_t descriptors = 0;
  for (const Recorded& recorded : recorded_) descriptors += recorded.bindings;
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, descriptors};
  auto pool_info = structure<VkDescriptorPoolCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
  pool_info.maxSets = uint32_t(recorded_.size());
  pool_info.poolSizeCount = 1;
  pool_info.pPoolSizes = &size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  const DeviceApi& api = device_->api();
  check(api.vkCreateDescriptorPool(api.device, &pool_info, nullptr, &pool), "vkCreateDescriptorPool");
  sets_ = device_->own(pool, api.vkDestroyDescriptorPool);
  for (Recorded& recorded : recorded_) {
    auto info = structure<VkDescriptorSetAllocateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    info.descriptorPool = pool;
    info.descriptorSetCount = 1;
    info.pSetLayouts = &recorded.pipeline.set_layout;
    check(api.vkAllocateDescriptorSets(api.device, &info, &recorded.set), "vkAllocateDescriptorSets");
    write_set(recorded);
  }
}

void VulkanExecutable::write_set(const Recorded& recorded) const {
  const auto& bindings = calls_[recorded.call].bindings;
  std::vector<VkDescriptorBufferInfo> infos(recorded.bindings, {dummy_.buffer(), 0, VK_WHOLE_SIZE});
  std::vector<VkWriteDescriptorSet> writes;
  for (uint32_t i = 0; i < recorded.bindings; ++i) {
    if (i < bindings.size() && (bindings[i].size > 0 || bindings[i].kind == ops::BufferKind::kState)) {
      const Range range = resolve(bindings[i]);
      infos[i] = {range.buffer->buffer(), range.offset, whole_words(range.size)};
    }
    auto write = structure<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
    write.dstSet = recorded.set;
    write.dstBinding = i;
    write.descriptorCount = 1;
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = &infos[i];
    writes.push_back(write);
  }
  device_->api().vkUpdateDescriptorSets(device_->api().device, uint32_t(writes.size()), writes.data(), 0,
                                        nullptr);
}

void VulkanExecutable::record(Pipelines& pipelines, const DeviceCaps& caps) {
  choose(pipelines, caps);
  allocate_sets();
  record_segments();
  request_.calls = {};
  size_t most_bindings = 0;
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (on_host(i)) most_bindings = std::max(most_bindings, calls_[i].bindings.size());
  }
  host_copies_.resize(most_bindings);
  if (request_.state) host_state_.resize(std::max<size_t>(1, request_.state->size() / 4));
}

void VulkanExecutable::record_segments() {
  const DeviceApi& api = device_->api();
  auto next = recorded_.begin();
  for (size_t begin = 0; begin < calls_.size();) {
    size_t end = begin;
    while (end < calls_.size() && !on_host(end)) ++end;
    Segment segment;
    segment.host_call = end < calls_.size() ? int32_t(end) : -1;
    if (next != recorded_.end() && next->call < end) {
      segment.commands = device_->allocate_commands(pool_.get());
      const auto info = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
      check(api.vkBeginCommandBuffer(segment.commands, &info), "vkBeginCommandBuffer");
      Hazards hazards;
      segment.first = size_t(next - recorded_.begin());
      for (; next != recorded_.end() && next->call < end; ++next)
        record_call(segment.commands, *next, hazards);
      segment.last = size_t(next - recorded_.begin());
      finish_segment(segment.commands);
    }
    segments_.push_back(segment);
    begin = end + 1;
  }
}

void VulkanExecutable::record_call(VkCommandBuffer commands, const Recorded& recorded,
                                   Hazards& hazards) const {
  const DeviceApi& api = device_->api();
  std::vector<Access> accesses;
  for (const ops::Binding& binding : calls_[recorded.call].bindings) {
    if (binding.size == 0) continue;
    const Range range = resolve(binding);
    accesses.push_back({range.buffer, range.offset, range.offset + whole_words(range.size), range.written});
  }
  if (hazards.needs_barrier(accesses)) {
    auto barrier = structure<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    api.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, nullptr, 0, nullptr);
  }
  api.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, recorded.pipeline.pipeline);
  api.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, recorded.pipeline.layout, 0, 1,
                              &recorded.set, 0, nullptr);
  const uint32_t push_bytes = recorded.dispatch.module->push_bytes;
  if (push_bytes > 0) {
    api.vkCmdPushConstants(commands, recorded.pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes,
                           recorded.dispatch.params.data());
  }
  const auto& groups = recorded.dispatch.groups;
  api.vkCmdDispatch(commands, groups[0], groups[1], groups[2]);
}

void VulkanExecutable::finish_segment(VkCommandBuffer commands) const {
  // To the host, and to the transfers and kernels of the next submission.
  auto barrier = structure<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
  const DeviceApi& api = device_->api();
  api.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                           VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier,
                           0, nullptr, 0, nullptr);
  check(api.vkEndCommandBuffer(commands), "vkEndCommandBuffer");
}

void VulkanExecutable::run() {
  for (const Segment& segment : segments_) {
    if (segment.commands != VK_NULL_HANDLE) device_->submit_and_wait(segment.commands, fence_.get());
    if (segment.host_call >= 0) run_on_host(calls_[size_t(segment.host_call)]);
  }
}

void VulkanExecutable::make_timed_commands() {
  const DeviceApi& api = device_->api();
  auto pool_info = structure<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
  pool_info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  pool_info.queryCount = uint32_t(recorded_.size() + segments_.size());
  VkQueryPool pool = VK_NULL_HANDLE;
  check(api.vkCreateQueryPool(api.device, &pool_info, nullptr, &pool), "vkCreateQueryPool");
  stamps_ = device_->own(pool, api.vkDestroyQueryPool);
  uint32_t stamp = 0;
  for (Segment& segment : segments_) {
    if (segment.commands == VK_NULL_HANDLE) continue;
    segment.timed = device_->allocate_commands(pool_.get());
    const auto info = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    check(api.vkBeginCommandBuffer(segment.timed, &info), "vkBeginCommandBuffer");
    const auto stamps = uint32_t(segment.last - segment.first + 1);
    api.vkCmdResetQueryPool(segment.timed, pool, stamp, stamps);
    api.vkCmdWriteTimestamp(segment.timed, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, pool, stamp++);
    Hazards hazards;
    for (size_t i = segment.first; i < segment.last; ++i) {
      record_call(segment.timed, recorded_[i], hazards);
      api.vkCmdWriteTimestamp(segment.timed, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, stamp++);
    }
    finish_segment(segment.timed);
  }
}

// A call's time ends when it has and begins when the call before it ended; calls on the host count nothing.
std::vector<plan::Timing> VulkanExecutable::run_timed() {
  if (!device_->info().timestamps) {
    run();
    return {};
  }
  if (stamps_.get() == VK_NULL_HANDLE) make_timed_commands();
  std::vector<plan::Timing> timings;
  uint32_t stamp = 0;
  for (const Segment& segment : segments_) {
    if (segment.timed != VK_NULL_HANDLE) {
      device_->submit_and_wait(segment.timed, fence_.get());
      std::vector<uint64_t> ticks(segment.last - segment.first + 1);
      const DeviceApi& api = device_->api();
      check(api.vkGetQueryPoolResults(api.device, stamps_.get(), stamp, uint32_t(ticks.size()),
                                      ticks.size() * sizeof(uint64_t), ticks.data(), sizeof(uint64_t),
                                      VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
            "vkGetQueryPoolResults");
      stamp += uint32_t(ticks.size());
      for (size_t i = 1; i < ticks.size(); ++i) {
        const double seconds =
            double(ticks[i] - ticks[i - 1]) * double(device_->info().timestamp_period_ns) * 1e-9;
        timings.push_back({int32_t(recorded_[segment.first + i - 1].call), seconds});
      }
    }
    if (segment.host_call >= 0) run_on_host(calls_[size_t(segment.host_call)]);
  }
  return timings;
}

void VulkanExecutable::run_on_host(const ops::KernelCall& call) {
  std::array<std::byte*, ops::kMaxBindings> pointers{};
  for (size_t i = 0; i < call.bindings.size(); ++i) {
    const Range range = resolve(call.bindings[i]);
    if (std::byte* mapped = range.buffer->mapped()) {
      pointers[i] = mapped + range.offset;
      continue;
    }
    host_copies_[i].resize(std::max<size_t>(range.size, 16));
    range.buffer->read(range.offset, std::span(host_copies_[i]).first(range.size));
    pointers[i] = host_copies_[i].data();
  }
  if (request_.state)
    request_.state->read(
        0, std::as_writable_bytes(std::span(host_state_)).first(request_.state->size() & ~size_t(3)));
  const std::span<std::byte* const> used(pointers.data(), call.bindings.size());
  request_.host({call, used, host_state_.empty() ? nullptr : host_state_.data()});
  for (size_t i = 0; i < call.bindings.size(); ++i) {
    const Range range = resolve(call.bindings[i]);
    if (range.written && range.buffer->mapped() == nullptr) {
      range.buffer->write(range.offset, std::span(host_copies_[i]).first(range.size));
    }
  }
}

}  // namespace

std::unique_ptr<plan::Executable> build_executable(std::shared_ptr<Device> device,
                                                   std::shared_ptr<Memory> memory, Pipelines& pipelines,
                                                   const DeviceCaps& caps, plan::BuildRequest request) {
  auto executable =
      std::make_unique<VulkanExecutable>(std::move(device), std::move(memory), std::move(request));
  executable->record(pipelines, caps);
  return executable;
}

}  // namespace vulcap::vulkan
