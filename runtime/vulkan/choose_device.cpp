#include <algorithm>
#include <cctype>
#include <charconv>

#include "runtime/vulkan/devices.h"

namespace vulcap::vulkan {
namespace {

int type_rank(DeviceType type) {
  switch (type) {
    case DeviceType::kDiscrete:
      return 0;
    case DeviceType::kIntegrated:
      return 1;
    case DeviceType::kVirtual:
      return 2;
    case DeviceType::kOther:
      return 3;
    case DeviceType::kCpu:
      return 4;
  }
  return 5;
}

uint64_t local_bytes(const DeviceInfo& device) {
  uint64_t bytes = 0;
  for (const MemoryHeap& heap : device.heaps) bytes += heap.device_local ? heap.bytes : 0;
  return bytes;
}

bool better(const DeviceInfo& a, const DeviceInfo& b) {
  if (a.unusable.empty() != b.unusable.empty()) return a.unusable.empty();
  const int rank_a = type_rank(a.caps.type), rank_b = type_rank(b.caps.type);
  if (rank_a != rank_b) return rank_a < rank_b;
  return local_bytes(a) > local_bytes(b);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = char(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string list_of(std::span<const DeviceInfo> devices) {
  std::string text;
  for (const DeviceInfo& device : devices) {
    text += (text.empty() ? "" : ", ") + ("vulkan:" + std::to_string(device.index)) + " " + device.name;
  }
  return text;
}

Choice choose_auto(std::span<const DeviceInfo> devices) {
  size_t best = 0;
  for (size_t i = 1; i < devices.size(); ++i) {
    if (better(devices[i], devices[best])) best = i;
  }
  const std::string type(device_type_name(devices[best].caps.type));
  std::string reason = devices.size() == 1 ? "the only Vulkan device (" + type + ")"
                                           : "the first choice of " + std::to_string(devices.size()) +
                                                 " devices (" + type + ")";
  if (devices[best].caps.type == DeviceType::kCpu) reason += "; it is a software renderer, not a GPU";
  return {int(best), reason};
}

Choice choose_number(std::span<const DeviceInfo> devices, std::string_view digits) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return {-1, "\"vulkan:" + std::string(digits) + "\" is not vulkan:N with a number N"};
  }
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].index == number) return {int(i), "asked for by number"};
  }
  return {-1, "there is no vulkan:" + std::string(digits) + "; there are: " + list_of(devices)};
}

template <typename Match>
Choice choose_match(std::span<const DeviceInfo> devices, const std::string& what, Match match) {
  for (size_t i = 0; i < devices.size(); ++i) {
    if (match(devices[i])) return {int(i), "asked for by " + what};
  }
  return {-1, "no Vulkan device with " + what + "; there are: " + list_of(devices)};
}

}  // namespace

Choice choose_device(std::span<const DeviceInfo> devices, std::string_view request) {
  if (devices.empty()) return {-1, "there is no Vulkan device"};
  if (request == "auto" || request == "vulkan") return choose_auto(devices);
  if (request.starts_with("vulkan:")) return choose_number(devices, request.substr(7));
  if (request.starts_with("name:") && request.size() > 5) {
    const std::string wanted = lower(request.substr(5));
    return choose_match(devices, "name \"" + wanted + "\"",
                        [&](const DeviceInfo& d) { return lower(d.name).find(wanted) != std::string::npos; });
  }
  if (request.starts_with("uuid:") && request.size() > 5) {
    std::string wanted = lower(request.substr(5));
    std::erase(wanted, '-');
    return choose_match(devices, "uuid " + wanted, [&](const DeviceInfo& d) {
      std::string uuid = uuid_text(d.uuid);
      std::erase(uuid, '-');
      return uuid == wanted;
    });
  }
  return {-1, "\"" + std::string(request) + "\" is not a device: use auto, vulkan:N, name:TEXT or uuid:HEX"};
}

}  // namespace vulcap::vulkan
