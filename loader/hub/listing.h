// What a hub says of a repository.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/hub/http.h"

namespace vulcap::hub {

struct RemoteFile {
  std::string name;              // path in the repository, checked
  std::optional<uint64_t> size;  // bytes
  std::string etag;              // the content's name in the cache, checked; empty: not said
};

struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;  // sorted by name
};

// A revision of a repository.
struct Source {
  std::string repo;  // "org/name"
  std::string revision = "main";
};

// Throws core::Error: kInvalidModel when the hub has no such repository or revision, kRuntime for all else
// that stands in the way, saying what to do.
Listing list_files(HttpClient& client, const Settings& settings, const Source& source);
// The same of one file whose size or etag the listing lacks.
void ask_for_details(HttpClient& client, const Settings& settings, const Source& source,
                     const std::string& commit, RemoteFile& file);

// Where a file is downloaded from.
std::string file_url(const Settings& settings, const Source& source, const std::string& commit,
                     const std::string& file);

}  // namespace vulcap::hub
