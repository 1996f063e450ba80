// A file that holds an opaque blob for one device and one set of shaders. Whatever is wrong with the file is
// a miss.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "runtime/vulkan/devices.h"

namespace vulcap::vulkan {

// Hash of every embedded shader.
uint64_t hash_shaders();

// Name of the file for a device: its cache uuid, driver version and the hash of the shaders.
std::filesystem::path cache_file_name(const DeviceInfo& device, uint64_t shaders);

// The blob, or nothing when the file is absent, short, of another device or damaged.
std::vector<std::byte> read_cache_file(const std::filesystem::path& file, const DeviceInfo& device,
                                       uint64_t shaders);
// Writes beside the file and renames. Returns false, without a trace, when the folder cannot be written.
bool write_cache_file(const std::filesystem::path& file, const DeviceInfo& device, uint64_t shaders,
                      std::span<const std::byte> blob);

}  // namespace vulcap::vulkan
