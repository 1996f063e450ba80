// Lists of images.
//   text: a path a line
//   csv, tsv: a header, of which one column names the file (file, file_name, filename, filepath, file_path,
//     image, image_path or path); id, prompt (or question) and task where they are there
//   jsonl: an object a line with the same names, or a string
// Paths count from the current folder, or from `root`. A row that cannot be used is an item with an error,
// named "LIST:line".
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "apps/batch/file_kind.h"
#include "apps/batch/item.h"

namespace vulcap::apps {

// `path` "-": stdin. `kind` is one of the lists. Throws core::Error(kUsage) where the file cannot be opened
// or no column names a file.
std::unique_ptr<ItemSource> open_manifest(const std::string& path, FileKind kind,
                                          const std::filesystem::path& root);

}  // namespace vulcap::apps
