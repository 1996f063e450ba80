// The files of a folder that is published.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "loader/hub/http.h"

namespace vulcap::hub {

struct LocalFile {
  std::string name;  // relative to the folder, with "/", fit for a repository
  std::filesystem::path path;
  uint64_t size = 0;  // bytes
  std::filesystem::file_time_type changed;
};

// Patterns of names, "*" and "?" allowed; "*" matches "/" too.
struct FileChoice {
  std::vector<std::string> include;  // empty: all
  std::vector<std::string> exclude;
};

// In order of their names; what lies in a .git or .cache folder is left out. Throws
// core::Error(kInvalidModel) for what is no folder or has no such file, for links that lead out of it or to
// nothing, for what is no regular file and for names that no repository takes.
std::vector<LocalFile> list_local_files(const std::filesystem::path& folder, const FileChoice& choice);

// Throws core::Error(kInvalidModel) when a graph among `files` keeps weights in a file that is not among
// them.
void check_weights(const std::vector<LocalFile>& files);

// Throws core::Error(kRuntime) when the file is not what it was when it was listed.
void check_unchanged(const LocalFile& file);

// `size` bytes from `offset` on as the body of a request; `on_bytes` hears of what is read. Reading throws
// core::Error(kRuntime).
Body file_body(const LocalFile& file, uint64_t offset, uint64_t size,
               std::function<void(uint64_t bytes)> on_bytes);
// The content, read at once.
std::string read_whole(const LocalFile& file);

}  // namespace vulcap::hub
