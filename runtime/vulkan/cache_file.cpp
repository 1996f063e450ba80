#include "runtime/vulkan/cache_file.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "runtime/core/hash.h"
#include "shaders/shaders.h"

namespace vulcap::vulkan {
namespace {

constexpr uint64_t kMaxBlobBytes = 256u << 20;

struct Header {
  char magic[8];
  uint8_t uuid[16];
  uint32_t driver_version;
  uint32_t vendor_id;
  uint64_t shaders;
  uint64_t blob_bytes;
  uint64_t blob_hash;
};

Header make_header(const DeviceInfo& device, uint64_t shaders, std::span<const std::byte> blob) {
  Header header{};
  std::memcpy(header.magic, "vulcapP1", sizeof(header.magic));
  std::memcpy(header.uuid, device.cache_uuid.data(), sizeof(header.uuid));
  header.driver_version = device.driver_version;
  header.vendor_id = device.vendor_id;
  header.shaders = shaders;
  header.blob_bytes = blob.size();
  header.blob_hash = core::hash_bytes(blob);
  return header;
}

std::string hex(uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[size_t(i)] = kDigits[value & 15];
  return text;
}

}  // namespace

uint64_t hash_shaders() {
  static const uint64_t hash = [] {
    uint64_t value = core::hash_bytes({});
    for (const shaders::ShaderModule& module : shaders::modules())
      value = core::hash_bytes(std::as_bytes(module.words), value);
    return value;
  }();
  return hash;
}

std::filesystem::path cache_file_name(const DeviceInfo& device, uint64_t shaders) {
  return "vulkan-" + uuid_text(device.cache_uuid) + "-" + hex(device.driver_version) + "-" + hex(shaders) +
         ".bin";
}

std::vector<std::byte> read_cache_file(const std::filesystem::path& file, const DeviceInfo& device,
                                       uint64_t shaders) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return {};
  const uint64_t size = std::filesystem::file_size(file, error);
  if (error || size <= sizeof(Header) || size > kMaxBlobBytes + sizeof(Header)) return {};
  std::ifstream stream(file, std::ios::binary);
  Header header{};
  std::vector<std::byte> blob(size - sizeof(Header));
  stream.read(reinterpret_cast<char*>(&header), sizeof(header));
  stream.read(reinterpret_cast<char*>(blob.data()), std::streamsize(blob.size()));
  if (!stream) return {};
  const Header expected = make_header(device, shaders, blob);
  if (std::memcmp(&header, &expected, sizeof(header)) != 0) return {};
  return blob;
}

bool write_cache_file(const std::filesystem::path& file, const DeviceInfo& device, uint64_t shaders,
                      std::span<const std::byte> blob) {
  std::error_code error;
  std::filesystem::create_directories(file.parent_path(), error);
  std::filesystem::path temporary = file;
  temporary += "." + std::to_string(getpid()) + ".tmp";
  {
    std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
    const Header header = make_header(device, shaders, blob);
    stream.write(reinterpret_cast<const char*>(&header), sizeof(header));
    stream.write(reinterpret_cast<const char*>(blob.data()), std::streamsize(blob.size()));
    if (!stream.flush()) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) std::filesystem::rename(temporary, file, error);
  if (!error) return true;
  std::filesystem::remove(temporary, error);
  return false;
}

}  // namespace vulcap::vulkan
