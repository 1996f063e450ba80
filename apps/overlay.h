// Where `vulcap caption --overlay` writes the images with regions drawn on them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vulcap::apps {

// One path an image: `overlay` itself for one image, unless it is a folder; in a folder "<name of the
// image>.png", with "-2", "-3" behind equal names. Makes the folder. Throws core::Error(kUsage) when an image
// would be overwritten, kRuntime when the folder cannot be made.
std::vector<std::filesystem::path> overlay_paths(const std::filesystem::path& overlay,
                                                 const std::vector<std::string>& images);

}  // namespace vulcap::apps
