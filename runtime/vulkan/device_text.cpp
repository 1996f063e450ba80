#include "runtime/vulkan/device_text.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace vulcap::vulkan {
namespace {

constexpr std::string_view kDevice = "device", kReason = "reason", kProblem = "problem", kEnd = "end";

// Every field but the heaps, by name: what is written is what is read.
template <typename Info, typename Visit>
void visit_fields(Info& info, Visit&& visit) {
  visit("index", info.index);
  visit("name", info.name);
  visit("driver", info.driver);
  visit("driver_version", info.driver_version);
  visit("api_version", info.api_version);
  visit("vendor_id", info.vendor_id);
  visit("device_id", info.device_id);
  visit("uuid", info.uuid);
  visit("cache_uuid", info.cache_uuid);
  visit("pci", info.pci);
  visit("unusable", info.unusable);
  visit("timestamps", info.timestamps);
  visit("timestamp_period_ns", info.timestamp_period_ns);
  auto& caps = info.caps;
  visit("type", caps.type);
  visit("subgroup_size", caps.subgroup_size);
  visit("subgroup_arithmetic", caps.subgroup_arithmetic);
  visit("storage_16bit", caps.storage_16bit);
  visit("storage_8bit", caps.storage_8bit);
  visit("float16", caps.float16);
  visit("int8", caps.int8);
  visit("int16", caps.int16);
  visit("int64", caps.int64);
  visit("float64", caps.float64);
  visit("integer_dot_product", caps.integer_dot_product);
  visit("cooperative_matrix", caps.cooperative_matrix);
  visit("max_workgroup_invocations", caps.max_workgroup_invocations);
  visit("max_shared_bytes", caps.max_shared_bytes);
  visit("max_storage_buffer_range", caps.max_storage_buffer_range);
  visit("max_allocation_bytes", caps.max_allocation_bytes);
  visit("min_storage_alignment", caps.min_storage_alignment);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

struct Writer {
  std::string text;

  void line(std::string_view name, const std::string& value) {
    text.append(name).append(" ").append(one_line(value)).append("\n");
  }
  void operator()(std::string_view name, const std::string& value) { line(name, value); }
  void operator()(std::string_view name, const std::array<uint8_t, 16>& uuid) { line(name, uuid_text(uuid)); }
  void operator()(std::string_view name, DeviceType type) { line(name, std::to_string(int(type))); }
  template <typename Number>
  void operator()(std::string_view name, Number number) {
    line(name, std::to_string(number));
  }
};

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end && !text.empty();
}

struct Reader {
  const std::map<std::string_view, std::string_view>& lines;
  bool complete = true;

  std::string_view value(std::string_view name) {
    const auto found = lines.find(name);
    complete = complete && found != lines.end();
    return found == lines.end() ? std::string_view() : found->second;
  }
  void operator()(std::string_view name, std::string& text) { text = value(name); }
  void operator()(std::string_view name, std::array<uint8_t, 16>& uuid) {
    std::string digits(value(name));
    std::erase(digits, '-');
    complete = complete && digits.size() == 2 * uuid.size();
    for (size_t i = 0; complete && i < uuid.size(); ++i) {
      const char* end = digits.data() + 2 * i + 2;
      complete = std::from_chars(end - 2, end, uuid[i], 16).ptr == end;
    }
  }
  void operator()(std::string_view name, DeviceType& type) {
    int number = -1;
    complete = read_number(value(name), number) && complete && number >= 0 && number <= int(DeviceType::kCpu);
    if (complete) type = DeviceType(number);
  }
  void operator()(std::string_view name, bool& flag) {
    const std::string_view text = value(name);
    complete = complete && (text == "0" || text == "1");
    flag = text == "1";
  }
  template <typename Number>
  void operator()(std::string_view name, Number& number) {
    complete = read_number(value(name), number) && complete;
  }
};

// "2147483648 1 68719476736 0": bytes and whether it is the device's own, a pair a heap.
std::string heaps_text(const std::vector<MemoryHeap>& heaps) {
  std::string text;
  for (const MemoryHeap& heap : heaps)
    text += (text.empty() ? "" : " ") + std::to_string(heap.bytes) + (heap.device_local ? " 1" : " 0");
  return text;
}

bool read_heaps(std::string_view text, std::vector<MemoryHeap>& heaps) {
  while (!text.empty()) {
    MemoryHeap heap;
    int local = 0;
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || !read_number(text.substr(0, space), heap.bytes)) return false;
    text.remove_prefix(space + 1);
    if (!read_number(text.substr(0, 1), local)) return false;
    heap.device_local = local != 0;
    heaps.push_back(heap);
    text.remove_prefix(std::min<size_t>(2, text.size()));
  }
  return true;
}

std::optional<DeviceInfo> read_device(const std::map<std::string_view, std::string_view>& lines) {
  DeviceInfo info;
  Reader reader{lines};
  visit_fields(info, reader);
  if (!read_heaps(reader.value("heaps"), info.heaps) || !reader.complete) return std::nullopt;
  return info;
}

}  // namespace

std::string enumeration_text(const Enumeration& found) {
  Writer writer;
  for (const DeviceInfo& info : found.devices) {
    writer.line(kDevice, "");
    visit_fields(info, writer);
    writer.line("heaps", heaps_text(info.heaps));
  }
  for (const std::string& problem : found.problems) writer.line(kProblem, problem);
  writer.line(kReason, found.reason);
  writer.line(kEnd, "");
  return writer.text;
}

std::optional<Enumeration> parse_enumeration(std::string_view text) {
  Enumeration found;
  std::vector<std::map<std::string_view, std::string_view>> devices;
  bool ended = false;
  while (!text.empty() && !ended) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view name = line.substr(0, line.find(' '));
    const std::string_view value = line.substr(std::min(line.size(), name.size() + 1));
    ended = name == kEnd;
    if (name == kDevice)
      devices.emplace_back();
    else if (name == kReason)
      found.reason = value;
    else if (name == kProblem)
      found.problems.emplace_back(value);
    else if (!ended && devices.empty())
      return std::nullopt;
    else if (!ended)
      devices.back()[name] = value;
  }
  if (!ended) return std::nullopt;
  for (const auto& lines : devices) {
    const auto info = read_device(lines);
    if (!info) return std::nullopt;
    found.devices.push_back(*info);
  }
  return found;
}

}  // namespace vulcap::vulkan
