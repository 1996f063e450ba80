// A machine of files in a temporary folder, for `vulcap doctor` to look at.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "apps/diagnosis/findings.h"
#include "tests/apps/model_folder.h"

namespace vulcap::testing {

class MadeUpMachine {
 public:
  MadeUpMachine() {
    variables_["HOME"] = "/root";
    file("/proc/meminfo", "MemTotal: 16316412 kB\nMemFree: 1 kB\nMemAvailable: 8316412 kB\n");
    file("/usr/lib/x86_64-linux-gnu/libvulkan.so.1");
  }

  MadeUpMachine& file(const std::string& path, const std::string& text = "x") {
    write_file(folder_.path() / path.substr(1), text);
    return *this;
  }
  MadeUpMachine& variable(const std::string& name, const std::string& value) {
    variables_[name] = value;
    return *this;
  }
  MadeUpMachine& driver(const std::string& name, const std::string& library) {
    return file("/usr/share/vulkan/icd.d/" + name,
                R"({"file_format_version": "1.0.0", "ICD": {"library_path": ")" + library + R"("}})");
  }
  MadeUpMachine& library(const std::string& name) { return file("/usr/lib/x86_64-linux-gnu/" + name); }
  MadeUpMachine& gpu(const std::string& address, const std::string& vendor) {
    const std::string folder = "/sys/bus/pci/devices/" + address;
    return file(folder + "/class", "0x030000\n")
        .file(folder + "/vendor", vendor + "\n")
        .file(folder + "/device", "0x1234\n");
  }
  // A device that Vulkan offers.
  MadeUpMachine& offers(uint32_t vendor, vulkan::DeviceType type) {
    vulkan::DeviceInfo info;
    info.index = uint32_t(found_.devices.size());
    info.name = type == vulkan::DeviceType::kCpu ? "llvmpipe" : "a GPU";
    info.vendor_id = vendor;
    info.caps.type = type;
    found_.devices.push_back(info);
    return *this;
  }

  apps::Case look() const {
    const vulkan::Surroundings surroundings{folder_.path(), variables_};
    return {apps::read_machine(surroundings), found_, answers_,
            vulkan::visible_devices(found_.devices, surroundings)};
  }
  std::vector<apps::Finding> findings() const { return apps::diagnose(look()); }
  // The codes of the problems, in order.
  std::string problems() const {
    std::string text;
    for (const apps::Finding& finding : findings())
      text += finding.problem ? (text.empty() ? "" : " ") + finding.code : "";
    return text;
  }
  std::string remedy(const std::string& code) const {
    for (const apps::Finding& finding : findings()) {
      if (finding.code == code) return finding.remedy;
    }
    return "there is no finding " + code;
  }
  std::vector<vulkan::DriverAnswer> answers_;

 private:
  TempFolder folder_;
  std::map<std::string, std::string> variables_;
  vulkan::Enumeration found_;
};

}  // namespace vulcap::testing
