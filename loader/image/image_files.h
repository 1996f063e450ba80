// Which files are taken for images by their names.
#pragma once

#include <filesystem>
#include <vector>

namespace vulcap::image {

// .png, .jpg or .jpeg in capitals or not, and not hidden.
bool has_image_name(const std::filesystem::path& path);
// Those of a folder, without its subfolders, in the order of their names; none where it cannot be read.
std::vector<std::filesystem::path> image_files(const std::filesystem::path& folder);

}  // namespace vulcap::image
