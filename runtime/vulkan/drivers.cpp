#include "runtime/vulkan/drivers.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace vulcap::vulkan {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ':');) {
    if (!item.empty()) items.push_back(item);
  }
  return items;
}

void add_folder(const Surroundings& surroundings, const fs::path& folder, std::vector<fs::path>& manifests) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(surroundings.path(folder), error)) {
    if (entry.path().extension() == ".json") found.push_back(folder / entry.path().filename());
  }
  std::sort(found.begin(), found.end());
  manifests.insert(manifests.end(), found.begin(), found.end());
}

void add_named(const Surroundings& surroundings, const std::string& list, std::vector<fs::path>& manifests) {
  std::error_code error;
  for (const fs::path item : split(list)) {
    if (fs::is_directory(surroundings.path(item), error))
      add_folder(surroundings, item, manifests);
    else
      manifests.push_back(item);
  }
}

// The usual folders, nearest to the user first.
std::vector<fs::path> usual_folders(const Surroundings& surroundings) {
  const auto variable = [&](const char* name, const std::string& otherwise) {
    const std::string value = surroundings.variable(name);
    return value.empty() ? otherwise : value;
  };
  const std::string home = surroundings.variable("HOME");
  std::vector<std::string> bases;
  const auto add = [&](const std::string& list) {
    for (std::string& item : split(list)) bases.push_back(std::move(item));
  };
  add(variable("XDG_CONFIG_HOME", home.empty() ? "" : home + "/.config"));
  add(variable("XDG_CONFIG_DIRS", "/etc/xdg"));
  add("/etc");
  add(variable("XDG_DATA_HOME", home.empty() ? "" : home + "/.local/share"));
  add(variable("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
  std::vector<fs::path> folders;
  for (const std::string& base : bases) folders.push_back(fs::path(base) / "vulkan/icd.d");
  return folders;
}

}  // namespace

Surroundings Surroundings::own() {
  Surroundings own;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string text = *item;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) own.variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return own;
}

std::string Surroundings::variable(const std::string& name) const {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

fs::path Surroundings::path(const fs::path& absolute) const { return root / absolute.relative_path(); }

std::string driver_variable(const Surroundings& surroundings) {
  for (const char* name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {
    if (!surroundings.variable(name).empty()) return name;
  }
  return {};
}

std::vector<fs::path> driver_manifests(const Surroundings& surroundings) {
  std::vector<fs::path> manifests;
  if (const std::string instead = driver_variable(surroundings); !instead.empty()) {
    add_named(surroundings, surroundings.variable(instead), manifests);
    return manifests;
  }
  add_named(surroundings, surroundings.variable("VK_ADD_DRIVER_FILES"), manifests);
  for (const fs::path& folder : usual_folders(surroundings)) add_folder(surroundings, folder, manifests);
  return manifests;
}

}  // namespace vulcap::vulkan
