#include "apps/diagnosis/diagnosis.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/device_list.h"
#include "apps/diagnosis/feature_table.h"
#include "runtime/core/error.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/vulkan/backend.h"

namespace vulcap::apps {
namespace {

using nlohmann::json;

std::string gib(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", double(bytes) / double(1u << 30));
  return text;
}

const vulkan::DriverAnswer* answer_of(const Case& facts, const DriverFile& driver) {
  const auto found =
      std::find_if(facts.answers.begin(), facts.answers.end(),
                   [&](const vulkan::DriverAnswer& answer) { return answer.manifest == driver.manifest; });
  return found == facts.answers.end() ? nullptr : &*found;
}

// What a driver has to offer, in words.
std::string offer_of(const Case& facts, const DriverFile& driver) {
  if (!driver.problem.empty()) return driver.problem;
  const vulkan::DriverAnswer* answer = answer_of(facts, driver);
  if (answer == nullptr) return "not asked";
  if (!answer->failure.empty()) return answer->failure;
  std::string names;
  for (const vulkan::DeviceInfo& device : answer->devices) names += (names.empty() ? "" : ", ") + device.name;
  return names.empty() ? "offers no device" : "offers " + names;
}

bool is_visible(const Case& facts, const vulkan::DeviceInfo& device) {
  return std::any_of(facts.visible.devices.begin(), facts.visible.devices.end(),
                     [&](const vulkan::DeviceInfo& other) { return other.index == device.index; });
}

std::vector<Feature> features_of(const vulkan::DeviceInfo& device) {
  return feature_table(device.caps, vulkan::masked(device.caps, vulkan::options_from_environment({})));
}

std::string drivers_text(const Case& facts) {
  std::string text =
      "Vulkan loader: " + (facts.machine.loader ? facts.machine.loader->string() : "none") + "\nDrivers:";
  if (facts.machine.drivers.empty())
    text += " none\n";
  else
    text += "\n";
  for (const DriverFile& driver : facts.machine.drivers)
    text += "  " + driver.manifest.string() + ": " + offer_of(facts, driver) + "\n";
  return text;
}

std::string device_text(const Case& facts, const vulkan::DeviceInfo& device) {
  std::string text = "  vulkan:" + std::to_string(device.index) + " " + device.name + " (" +
                     std::string(vulkan::device_type_name(device.caps.type)) + "), Vulkan " +
                     vulkan::version_text(device.api_version) + ", " + device.driver + "\n";
  if (!is_visible(facts, device)) text += "    hidden: " + facts.visible.reason + "\n";
  if (!device.unusable.empty()) text += "    unusable: " + device.unusable + "\n";
  for (const vulkan::MemoryHeap& heap : device.heaps)
    text += "    memory: " + gib(heap.bytes) + (heap.device_local ? " of its own\n" : " of the machine's\n");
  for (const Feature& feature : features_of(device)) {
    const char* state = feature.used ? "used" : feature.has ? "there" : "missing";
    text += "    " + feature.name + ": " + state + " (" + feature.meaning + ")\n";
  }
  return text;
}

std::string machine_text(const Diagnosis& diagnosis) {
  const Machine& machine = diagnosis.facts.machine;
  const cpu::CpuInfo info = cpu::cpu_info();
  std::string text = "Machine: " + (info.brand.empty() ? "unknown processor" : info.brand) + ", " +
                     std::to_string(info.processors) + " processors, kernels " + info.kernels + "; memory " +
                     gib(machine.memory_bytes) + ", " + gib(machine.available_bytes) +
                     " free; container: " + (machine.container.empty() ? "none noticed" : machine.container) +
                     "\n";
  text += "GPUs on the PCI bus:";
  for (const PciGpu& gpu : machine.gpus) {
    char id[16];
    std::snprintf(id, sizeof id, "%04x:%04x", gpu.vendor, gpu.device);
    text += "\n  " + gpu.address + " " + vendor_name(gpu.vendor) + " " + id + ", kernel driver " +
            (gpu.kernel_driver.empty() ? "none" : gpu.kernel_driver);
  }
  text += machine.gpus.empty() ? " none\n" : "\n";
  if (machine.nodes.empty()) return text;
  text += "Device nodes:";
  for (const DeviceNode& node : machine.nodes)
    text += " " + node.path.string() + (node.opens ? "" : " (closed to this user)");
  return text + "\n";
}

std::string findings_text(const std::vector<Finding>& findings) {
  if (findings.empty()) return "Nothing to mend.\n";
  std::string text;
  for (const Finding& finding : findings) {
    text += std::string(finding.problem ? "PROBLEM: " : "note: ") + finding.what + "\n";
    if (!finding.remedy.empty()) text += "  what to do: " + finding.remedy + "\n";
  }
  return text;
}

json device_json(const Case& facts, const vulkan::DeviceInfo& device) {
  json entry{{"index", device.index},
             {"name", device.name},
             {"type", vulkan::device_type_name(device.caps.type)},
             {"driver", device.driver},
             {"api", vulkan::version_text(device.api_version)},
             {"uuid", vulkan::uuid_text(device.uuid)},
             {"pci", device.pci},
             {"visible", is_visible(facts, device)},
             {"memory", json::array()},
             {"features", json::array()}};
  if (!device.unusable.empty()) entry["unusable"] = device.unusable;
  for (const vulkan::MemoryHeap& heap : device.heaps)
    entry["memory"].push_back({{"bytes", heap.bytes}, {"device_local", heap.device_local}});
  for (const Feature& feature : features_of(device)) {
    entry["features"].push_back(
        {{"name", feature.name}, {"has", feature.has}, {"used", feature.used}, {"meaning", feature.meaning}});
  }
  return entry;
}

json machine_json(const Machine& machine) {
  json entry{{"memory_bytes", machine.memory_bytes},
             {"available_bytes", machine.available_bytes},
             {"container", machine.container},
             {"nvidia_kernel_module", machine.nvidia_version},
             {"gpus", json::array()},
             {"nodes", json::array()}};
  for (const PciGpu& gpu : machine.gpus) {
    entry["gpus"].push_back({{"address", gpu.address},
                             {"vendor", gpu.vendor},
                             {"device", gpu.device},
                             {"kernel_driver", gpu.kernel_driver}});
  }
  for (const DeviceNode& node : machine.nodes)
    entry["nodes"].push_back({{"path", node.path.string()}, {"opens", node.opens}, {"group", node.group}});
  return entry;
}

}  // namespace

Diagnosis examine(const DeviceOptions& options) {
  Diagnosis diagnosis;
  Case& facts = diagnosis.facts;
  const vulkan::Surroundings own = vulkan::Surroundings::own();
  facts.machine = read_machine(own);
  if (!probe_command().empty())
    facts.answers = vulkan::probe_each({probe_command(), vulkan::kProbeLimit, {}});
  vulkan::leave_out_failing(facts.answers);
  facts.found = probed_devices();
  facts.visible = vulkan::visible_devices(facts.found.devices, own);
  diagnosis.findings = diagnose(facts);
  try {
    const session::OpenedDevice opened = options.open();
    diagnosis.runs_on = opened.name;
    diagnosis.reason = opened.reason;
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kNoDevice) throw;
    diagnosis.reason = error.message();
    diagnosis.exit_code = int(error.code());
  }
  return diagnosis;
}

std::string diagnosis_text(const Diagnosis& diagnosis) {
  const Case& facts = diagnosis.facts;
  std::string text =
      diagnosis.runs_on.empty() ? "Nothing can run as asked\n" : "Runs on: " + diagnosis.runs_on + "\n";
  text += "  why: " + diagnosis.reason + "\n\n" + drivers_text(facts) + "Devices:";
  if (facts.found.devices.empty()) text += " none (" + facts.found.reason + ")";
  text += "\n";
  for (const vulkan::DeviceInfo& device : facts.found.devices) text += device_text(facts, device);
  return text + machine_text(diagnosis) + "\n" + findings_text(diagnosis.findings);
}

json diagnosis_json(const Diagnosis& diagnosis) {
  const Case& facts = diagnosis.facts;
  json report{{"runs_on", diagnosis.runs_on},
              {"reason", diagnosis.reason},
              {"loader", facts.machine.loader ? facts.machine.loader->string() : ""},
              {"drivers", json::array()},
              {"devices", json::array()},
              {"machine", machine_json(facts.machine)},
              {"findings", json::array()}};
  for (const DriverFile& driver : facts.machine.drivers) {
    report["drivers"].push_back({{"manifest", driver.manifest.string()},
                                 {"library", driver.library},
                                 {"found", driver.found ? driver.found->string() : ""},
                                 {"offer", offer_of(facts, driver)}});
  }
  for (const vulkan::DeviceInfo& device : facts.found.devices)
    report["devices"].push_back(device_json(facts, device));
  for (const Finding& finding : diagnosis.findings) {
    report["findings"].push_back({{"severity", finding.problem ? "problem" : "note"},
                                  {"code", finding.code},
                                  {"what", finding.what},
                                  {"what_to_do", finding.remedy}});
  }
  return report;
}

}  // namespace vulcap::apps
