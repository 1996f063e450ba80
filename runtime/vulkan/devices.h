// What Vulkan devices there are, as plain data, and which one to use.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::vulkan {

// vendorID of those whose variables and drivers are known by name.
inline constexpr uint32_t kNvidia = 0x10de, kAmd = 0x1002, kIntel = 0x8086;

enum class DeviceType : uint8_t { kOther, kIntegrated, kDiscrete, kVirtual, kCpu };

// What the choice of a shader variant depends on.
struct DeviceCaps {
  DeviceType type = DeviceType::kOther;
  uint32_t subgroup_size = 1;
  bool subgroup_arithmetic = false;  // add, max, broadcast and shuffle within a subgroup, in compute shaders
  bool storage_16bit = false;        // storageBuffer16BitAccess
  bool storage_8bit = false;         // storageBuffer8BitAccess
  bool float16 = false;              // half arithmetic
  bool int8 = false;
  bool int16 = false;
  bool int64 = false;
  bool float64 = false;
  bool integer_dot_product = false;
  bool cooperative_matrix = false;
  uint32_t max_workgroup_invocations = 128;
  uint32_t max_shared_bytes = 16384;
  uint64_t max_storage_buffer_range = 1u << 27;
  uint64_t max_allocation_bytes = 1u << 30;
  uint32_t min_storage_alignment = 256;  // of a binding's offset
};

struct MemoryHeap {
  uint64_t bytes = 0;
  bool device_local = false;
};

struct DeviceInfo {
  uint32_t index = 0;  // the N of vulkan:N
  std::string name;
  std::string driver;  // "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"
  uint32_t driver_version = 0;
  uint32_t api_version = 0;  // VK_MAKE_API_VERSION encoding
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;
  std::array<uint8_t, 16> uuid{};
  std::array<uint8_t, 16> cache_uuid{};
  std::string pci;       // bus address "0000:3b:00.0"; empty: the driver does not tell it
  std::string unusable;  // why no logical device can be made of it; empty: one can, or nobody tried
  std::vector<MemoryHeap> heaps;
  bool timestamps = false;
  float timestamp_period_ns = 0;
  DeviceCaps caps;
};

std::string_view device_type_name(DeviceType type);
// "1.3.230"
std::string version_text(uint32_t version);
// "6d657361-3232-2e33-2e36-000000000000"
std::string uuid_text(const std::array<uint8_t, 16>& uuid);

struct Enumeration {
  std::vector<DeviceInfo> devices;    // in the loader's order
  std::string reason;                 // why there is none, when `devices` is empty
  std::vector<std::string> problems;  // drivers that were left out, a line each
};

// Never throws for a missing loader or driver: the reason says what is missing.
Enumeration enumerate();

struct Choice {
  int index = -1;      // into the list; -1: none fits
  std::string reason;  // why this one, or why none
};

// request: "auto" or "vulkan" (discrete before integrated before virtual before cpu, then more device-local
// memory, then the lower index), "vulkan:N", "name:TEXT" (part of the name, any case) or "uuid:HEX" (with or
// without dashes).
Choice choose_device(std::span<const DeviceInfo> devices, std::string_view request);

}  // namespace vulcap::vulkan
