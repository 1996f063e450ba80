#include "runtime/vulkan/visible_devices.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <sstream>

namespace vulcap::vulkan {
namespace {

using Devices = std::vector<DeviceInfo>;

bool is_gpu(const DeviceInfo& device) { return device.caps.type != DeviceType::kCpu; }

std::vector<std::string> entries_of(const std::string& list) {
  std::vector<std::string> entries;
  std::istringstream in(list);
  for (std::string entry; std::getline(in, entry, ',');) {
    std::erase(entry, ' ');
    if (!entry.empty()) entries.push_back(entry);
  }
  return entries;
}

std::optional<size_t> number_of(const std::string& text) {
  size_t number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, number).ptr != end) return std::nullopt;
  return number;
}

std::string hex_digits(std::string text) {
  std::erase(text, '-');
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

// "GPU-3f1c...", the beginning of one, "MIG-<uuid>", "MIG-GPU-<uuid>/1/0" or a bare uuid.
bool has_uuid(const DeviceInfo& device, std::string entry) {
  for (const std::string prefix : {"MIG-", "GPU-"}) {
    if (entry.starts_with(prefix)) entry.erase(0, prefix.size());
  }
  const std::string wanted = hex_digits(entry.substr(0, entry.find('/')));
  return !wanted.empty() && hex_digits(uuid_text(device.uuid)).starts_with(wanted);
}

Devices in_bus_order(const Devices& devices) {
  Devices ordered = devices;
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const DeviceInfo& a, const DeviceInfo& b) { return a.pci < b.pci; });
  return ordered;
}

const DeviceInfo* find_entry(const Devices& ordered, const std::string& entry) {
  if (const auto number = number_of(entry)) return *number < ordered.size() ? &ordered[*number] : nullptr;
  const auto found = std::find_if(ordered.begin(), ordered.end(),
                                  [&](const DeviceInfo& device) { return has_uuid(device, entry); });
  return found == ordered.end() ? nullptr : &*found;
}

void explain(VisibleDevices& visible, const std::string& variable, const std::string& value) {
  visible.reason += (visible.reason.empty() ? "" : ", ") + ("given by " + variable + "=" + value);
}

// Keeps, of the devices that `bounded` says, those that the variable lists.
void bound(VisibleDevices& visible, const std::string& variable, const std::string& value,
           const std::function<bool(const DeviceInfo&)>& bounded) {
  Devices concerned, others, kept;
  for (const DeviceInfo& device : visible.devices) (bounded(device) ? concerned : others).push_back(device);
  const Devices ordered = in_bus_order(concerned);
  for (const std::string& entry : entries_of(value)) {
    const DeviceInfo* found = find_entry(ordered, entry);
    if (found == nullptr) {
      if (entry == "-1" || entry == "NoDevFiles") break;
      std::string warning = variable + " names " + entry + ", and no Vulkan device here is that";
      if (entry.starts_with("MIG-"))
        warning += "; NVIDIA's driver offers no Vulkan on most MIG instances: ask the queue for a whole GPU";
      visible.warnings.push_back(warning);
      break;
    }
    kept.push_back(*found);
  }
  kept.insert(kept.end(), others.begin(), others.end());
  visible.devices = std::move(kept);
  explain(visible, variable, value);
}

void own_list(VisibleDevices& visible, const std::string& variable, const std::string& value) {
  Devices kept;
  for (const std::string& entry : entries_of(value)) {
    const auto number = number_of(entry);
    const auto found = std::find_if(
        visible.devices.begin(), visible.devices.end(),
        [&](const DeviceInfo& device) { return number ? device.index == *number : has_uuid(device, entry); });
    if (found != visible.devices.end())
      kept.push_back(*found);
    else
      visible.warnings.push_back(variable + " names " + entry + ", and no Vulkan device here is that");
  }
  visible.devices = std::move(kept);
  explain(visible, variable, value);
}

// Several tasks of a node that see the same GPUs take one each.
void take_own_of_equals(VisibleDevices& visible, const Surroundings& surroundings) {
  const auto local = number_of(surroundings.variable("SLURM_LOCALID"));
  const auto tasks = number_of(surroundings.variable("SLURM_NTASKS"));
  const auto gpus = size_t(std::count_if(visible.devices.begin(), visible.devices.end(), is_gpu));
  if (!local || !tasks || *tasks < 2 || gpus < 2) return;
  const auto first = std::find_if(visible.devices.begin(), visible.devices.end(), is_gpu);
  const std::string name = first->name;
  const bool equal = std::all_of(visible.devices.begin(), visible.devices.end(),
                                 [&](const DeviceInfo& d) { return !is_gpu(d) || d.name == name; });
  if (!equal) return;
  size_t place = 0;
  std::erase_if(visible.devices, [&](const DeviceInfo& d) { return is_gpu(d) && place++ != *local % gpus; });
  explain(visible, "SLURM_LOCALID", std::to_string(*local) + " of " + std::to_string(gpus) + " equal GPUs");
}

}  // namespace

VisibleDevices visible_devices(std::span<const DeviceInfo> all, const Surroundings& surroundings) {
  VisibleDevices visible{{all.begin(), all.end()}, {}, {}};
  const auto& variables = surroundings.variables;
  if (const auto own = variables.find("VULCAP_VK_VISIBLE_DEVICES"); own != variables.end()) {
    own_list(visible, own->first, own->second);
    return visible;
  }
  const auto of = [](uint32_t vendor) {
    return [vendor](const DeviceInfo& device) { return is_gpu(device) && device.vendor_id == vendor; };
  };
  bool told = false;
  for (const auto& [name, vendor] :
       {std::pair{"CUDA_VISIBLE_DEVICES", kNvidia}, {"ROCR_VISIBLE_DEVICES", kAmd}}) {
    const auto list = variables.find(name);
    const bool concerned = std::any_of(visible.devices.begin(), visible.devices.end(), of(vendor));
    if (list == variables.end() || !concerned) continue;
    told = true;
    bound(visible, name, list->second, of(vendor));
  }
  for (const char* name : {"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"}) {
    const std::string given = surroundings.variable(name);
    const auto gpus = size_t(std::count_if(visible.devices.begin(), visible.devices.end(), is_gpu));
    if (told || given.empty() || gpus <= entries_of(given).size()) continue;
    told = true;
    bound(visible, name, given, is_gpu);
  }
  take_own_of_equals(visible, surroundings);
  return visible;
}

}  // namespace vulcap::vulkan
