// Images in tar archives, as WebDataset's shards are: read from front to back, compressed or not.
#pragma once

#include <filesystem>
#include <memory>

#include "apps/batch/item.h"

namespace vulcap::apps {

// A member's item is called "ARCHIVE/member". Members that are no images are left out. The archive is opened
// for the first item; where it cannot be read, or not to its end, an item with its name says so.
std::unique_ptr<ItemSource> open_archive(const std::filesystem::path& path);

}  // namespace vulcap::apps
