// Compute pipelines of a device, made on demand and kept, with the driver's pipeline cache on disk.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

#include "runtime/vulkan/device.h"
#include "runtime/vulkan/variant_choice.h"

namespace vulcap::vulkan {

struct Pipeline {
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
};

class Pipelines {
 public:
  // cache_dir: where the pipeline cache file lies; empty: no file.
  Pipelines(std::shared_ptr<Device> device, std::filesystem::path cache_dir);

  // The pipelines of `dispatches`, in order; missing ones are compiled on two threads. `bindings` counts the
  // storage buffers of each. Thread safe. Throws core::Error(kRuntime) when the driver refuses one.
  std::vector<Pipeline> get(std::span<const Dispatch* const> dispatches, std::span<const uint32_t> bindings);

  // Pipelines compiled so far.
  size_t size() const { return made_.size(); }

 private:
  struct Layout {
    Handle<VkDescriptorSetLayout> set;
    Handle<VkPipelineLayout> pipeline;
  };
  using Key = std::tuple<const shaders::ShaderModule*, uint32_t, std::vector<SpecValue>>;

  const Layout& layout(uint32_t bindings);
  Handle<VkPipeline> compile(const Dispatch& dispatch, const Layout& layout) const;
  void compile_all(std::span<const std::pair<Key, const Dispatch*>> missing);
  void load_cache();
  void save_cache() const;

  std::shared_ptr<Device> device_;
  std::filesystem::path cache_file_;
  Handle<VkPipelineCache> cache_;
  std::mutex mutex_;
  std::map<uint32_t, Layout> layouts_;
  std::map<Key, Handle<VkPipeline>> made_;
};

}  // namespace vulcap::vulkan
