#include "runtime/vulkan/pipelines.h"

#include <atomic>
#include <exception>
#include <thread>

#include "runtime/core/error.h"
#include "runtime/vulkan/cache_file.h"

namespace vulcap::vulkan {

Pipelines::Pipelines(std::shared_ptr<Device> device, std::filesystem::path cache_dir)
    : device_(std::move(device)) {
  if (!cache_dir.empty()) cache_file_ = cache_dir / cache_file_name(device_->info(), hash_shaders());
  load_cache();
}

void Pipelines::load_cache() {
  const DeviceApi& api = device_->api();
  std::vector<std::byte> blob;
  if (!cache_file_.empty()) blob = read_cache_file(cache_file_, device_->info(), hash_shaders());
  auto info = structure<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  info.initialDataSize = blob.size();
  info.pInitialData = blob.data();
  VkPipelineCache cache = VK_NULL_HANDLE;
  if (api.vkCreatePipelineCache(api.device, &info, nullptr, &cache) != VK_SUCCESS) {
    info.initialDataSize = 0;
    check(api.vkCreatePipelineCache(api.device, &info, nullptr, &cache), "vkCreatePipelineCache");
  }
  cache_ = device_->own(cache, api.vkDestroyPipelineCache);
}

void Pipelines::save_cache() const {
  if (cache_file_.empty()) return;
  const DeviceApi& api = device_->api();
  size_t size = 0;
  if (api.vkGetPipelineCacheData(api.device, cache_.get(), &size, nullptr) != VK_SUCCESS || size == 0) return;
  std::vector<std::byte> blob(size);
  if (api.vkGetPipelineCacheData(api.device, cache_.get(), &size, blob.data()) != VK_SUCCESS) return;
  write_cache_file(cache_file_, device_->info(), hash_shaders(), std::span(blob).first(size));
}

const Pipelines::Layout& Pipelines::layout(uint32_t bindings) {
  const auto found = layouts_.find(bindings);
  if (found != layouts_.end()) return found->second;
  const DeviceApi& api = device_->api();
  std::vector<VkDescriptorSetLayoutBinding> slots(bindings);
  for (uint32_t i = 0; i < bindings; ++i) {
    slots[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
  }
  auto set_info =
      structure<VkDescriptorSetLayoutCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
  set_info.bindingCount = bindings;
  set_info.pBindings = slots.data();
  VkDescriptorSetLayout set = VK_NULL_HANDLE;
  check(api.vkCreateDescriptorSetLayout(api.device, &set_info, nullptr, &set), "vkCreateDescriptorSetLayout");
  Layout made{device_->own(set, api.vkDestroyDescriptorSetLayout), {}};

  const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, uint32_t(ops::kMaxParamBytes)};
  auto info = structure<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  info.setLayoutCount = 1;
  info.pSetLayouts = &set;
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &push;
  VkPipelineLayout pipeline = VK_NULL_HANDLE;
  check(api.vkCreatePipelineLayout(api.device, &info, nullptr, &pipeline), "vkCreatePipelineLayout");
  made.pipeline = device_->own(pipeline, api.vkDestroyPipelineLayout);
  return layouts_.emplace(bindings, std::move(made)).first->second;
}

Handle<VkPipeline> Pipelines::compile(const Dispatch& dispatch, const Layout& layout) const {
  const DeviceApi& api = device_->api();
  auto module_info = structure<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  module_info.codeSize = dispatch.module->words.size_bytes();
  module_info.pCode = dispatch.module->words.data();
  VkShaderModule module = VK_NULL_HANDLE;
  check(api.vkCreateShaderModule(api.device, &module_info, nullptr, &module), "vkCreateShaderModule");
  const Handle<VkShaderModule> owned = device_->own(module, api.vkDestroyShaderModule);

  std::vector<VkSpecializationMapEntry> entries;
  std::vector<uint32_t> values;
  for (const SpecValue& constant : dispatch.constants) {
    entries.push_back({constant.id, uint32_t(values.size() * 4), 4});
    values.push_back(constant.value);
  }
  const VkSpecializationInfo constants{uint32_t(entries.size()), entries.data(), values.size() * 4,
                                       values.data()};
  auto info = structure<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &constants;
  info.layout = layout.pipeline.get();
  VkPipeline pipeline = VK_NULL_HANDLE;
  check(api.vkCreateComputePipelines(api.device, cache_.get(), 1, &info, nullptr, &pipeline),
        ("compiling the shader " + std::string(dispatch.module->name)).c_str());
  return device_->own(pipeline, api.vkDestroyPipeline);
}

void Pipelines::compile_all(std::span<const std::pair<Key, const Dispatch*>> missing) {
  std::vector<Handle<VkPipeline>> compiled(missing.size());
  std::vector<std::exception_ptr> failures(missing.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < missing.size(); i = next++) {
      try {
        compiled[i] = compile(*missing[i].second, layouts_.at(std::get<1>(missing[i].first)));
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  {
    std::jthread helper;
    if (missing.size() > 1) helper = std::jthread(work);
    work();
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  for (size_t i = 0; i < missing.size(); ++i) made_.emplace(missing[i].first, std::move(compiled[i]));
}

std::vector<Pipeline> Pipelines::get(std::span<const Dispatch* const> dispatches,
                                     std::span<const uint32_t> bindings) {
  const std::lock_guard lock(mutex_);
  std::map<Key, const Dispatch*> wanted;
  std::vector<Key> keys;
  for (size_t i = 0; i < dispatches.size(); ++i) {
    keys.emplace_back(dispatches[i]->module, bindings[i], dispatches[i]->constants);
    layout(bindings[i]);
    if (!made_.contains(keys.back())) wanted.emplace(keys.back(), dispatches[i]);
  }
  if (!wanted.empty()) {
    compile_all(std::vector<std::pair<Key, const Dispatch*>>(wanted.begin(), wanted.end()));
    save_cache();
  }
  std::vector<Pipeline> result;
  for (const Key& key : keys) {
    const Layout& used = layouts_.at(std::get<1>(key));
    result.push_back({made_.at(key).get(), used.pipeline.get(), used.set.get()});
  }
  return result;
}

}  // namespace vulcap::vulkan
