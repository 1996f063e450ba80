// One file of a hub into the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "loader/hub/cache.h"
#include "loader/hub/listing.h"

namespace vulcap::hub {

struct DownloadEvents {
  std::function<void(int64_t bytes)> on_bytes;        // that came; negative: that were thrown away
  std::function<void(const std::string&)> on_remark;  // one line for the user
};

// Thrown when another file's failure, or the user, ended the download.
struct Stopped {};

// Downloads the file's content as its blob unless it is there. What an interrupted download left
// (<etag>.incomplete) is continued; content whose digest is wrong is thrown away and asked for once more.
// Throws core::Error(kRuntime), Stopped.
void download_blob(HttpClient& client, const Settings& settings, const Source& source,
                   const std::string& commit, const RemoteFile& file, const RepoCache& cache,
                   const std::atomic<bool>& stop, const DownloadEvents& events);

// Bytes of the file that an interrupted download left.
uint64_t bytes_left_behind(const RepoCache& cache, const RemoteFile& file);

}  // namespace vulcap::hub
