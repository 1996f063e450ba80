// The Vulkan executor of kernel calls (runtime/plan/backend.h).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "runtime/plan/backend.h"
#include "runtime/vulkan/devices.h"

namespace vulcap::vulkan {

struct Options {
  std::filesystem::path pipeline_cache_dir;  // empty: pipelines are compiled anew by every process
  // Core and synchronisation validation.
  bool validation = false;
  // Features to leave unused, so that the code of lesser devices can be tested on better ones.
  bool disable_16bit_storage = false;
  bool disable_8bit_storage = false;
  bool disable_int64 = false;
  bool disable_float64 = false;
  bool disable_subgroups = false;
  bool disable_integer_dot_product = false;
  bool disable_cooperative_matrix = false;
  bool force_staging = false;                   // never write device memory from the host directly
  bool assume_gpu = false;                      // choose variants as for a discrete GPU
  std::optional<std::array<uint8_t, 16>> uuid;  // that the device must have
  uint64_t memory_bytes = 0;                    // that buffers may take in all; 0: all that the device has
};

// `options` with what VULCAP_VALIDATION=1, VULCAP_VK_DISABLE_F16, _INTEGER_DOT_PRODUCT, _COOPMAT (any value
// but 0) and VULCAP_VK_MEMORY_LIMIT (MiB) say. Throws core::Error(kUsage).
Options options_from_environment(Options options);
// What is left of a device's capabilities.
DeviceCaps masked(DeviceCaps caps, const Options& options);

// `index` is the N of vulkan:N. Throws core::Error(kNoDevice) with the reason when the device cannot be used.
std::shared_ptr<plan::Backend> create_backend(uint32_t index, const Options& options = {});

// Messages of the validation layer in this process so far; each was also printed to stderr.
uint64_t validation_messages();

}  // namespace vulcap::vulkan
