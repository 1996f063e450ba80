// Where Vulkan's loader looks for drivers: files and variables, under a root so that machines that are not at
// hand can be made up.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vulcap::vulkan {

struct Surroundings {
  std::filesystem::path root = "/";
  std::map<std::string, std::string> variables;

  // Those of this process.
  static Surroundings own();
  // Empty where it is not set.
  std::string variable(const std::string& name) const;
  // An absolute path below the root.
  std::filesystem::path path(const std::filesystem::path& absolute) const;
};

// The driver manifests (icd.d/*.json) that the loader reads, in its order, without the root in front. One
// that a variable names is listed whether it is there or not.
std::vector<std::filesystem::path> driver_manifests(const Surroundings& surroundings);
// The variable that replaces the usual places, VK_DRIVER_FILES or VK_ICD_FILENAMES; empty where none is set.
std::string driver_variable(const Surroundings& surroundings);

}  // namespace vulcap::vulkan
