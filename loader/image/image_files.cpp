#include "loader/image/image_files.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace vulcap::image {

bool has_image_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return (extension == ".png" || extension == ".jpg" || extension == ".jpeg") &&
         !path.filename().string().starts_with('.');
}

std::vector<std::filesystem::path> image_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (has_image_name(entry.path())) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace vulcap::image
