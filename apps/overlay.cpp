#include "apps/overlay.h"

#include <set>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder)) return;
  throw core::Error(core::ErrorCode::kRuntime, "--overlay: " + folder.string() +
                                                   " cannot be made a folder for several images" +
                                                   (error ? " (" + error.message() + ")" : ""));
}

}  // namespace

std::vector<fs::path> overlay_paths(const fs::path& overlay, const std::vector<std::string>& images) {
  std::vector<fs::path> paths;
  if (images.size() == 1 && !fs::is_directory(overlay)) {
    paths.push_back(overlay);
  } else {
    make_folder(overlay);
    std::set<std::string> taken;
    for (const std::string& image : images) {
      const std::string stem = fs::path(image).stem().string();
      std::string name = stem + ".png";
      for (int copy = 2; !taken.insert(name).second; ++copy)
        name = stem + "-" + std::to_string(copy) + ".png";
      paths.push_back(overlay / name);
    }
  }
  for (const fs::path& path : paths) {
    for (const std::string& image : images) {
      std::error_code ignored;
      if (!fs::equivalent(path, image, ignored)) continue;
      throw core::Error(core::ErrorCode::kUsage, "--overlay would write over the image " + image);
    }
  }
  return paths;
}

}  // namespace vulcap::apps
