// A model of a hub as a folder: from the shared cache, or downloaded into it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "loader/hub/listing.h"
#include "loader/hub/settings.h"

namespace vulcap::hub {

struct PullRequest {
  Source source;
  std::string dtype = "auto";  // see loader::DtypeRequest
  std::vector<std::string>
      patterns;  // files with these names instead, "*" and "?" allowed; empty: what the model needs
};

struct PullEvents {
  // From any thread, one at a time. `total` bytes are to be downloaded, `there` of them were left by an
  // earlier try; called again when files join in.
  std::function<void(uint64_t total, uint64_t there)> on_plan;
  std::function<void(uint64_t bytes)> on_bytes;       // came in
  std::function<void(const std::string&)> on_remark;  // one line for the user; the same
};

// The folder of the snapshot with what `request` needs, downloaded as far as the cache lacks it: several
// files at a time, each checked against its digest. The snapshot shows its new files once all of them are
// there. Throws core::Error: kInvalidModel when the hub lacks the repository, the revision or a graph of the
// dtype, kRuntime for what the network or the disk refuses, kUsage for a request that makes no sense.
std::filesystem::path pull(const Settings& settings, const PullRequest& request, const PullEvents& events);

// The snapshot of the cache that has what `request` needs, without a look at the hub; none when something is
// missing. Patterns are left out of account.
std::optional<std::filesystem::path> find_cached(const Settings& settings, const PullRequest& request);

// What pull() would see, for people. A dtype that no graph has is no error here: nothing is wanted then.
struct FileState {
  RemoteFile file;
  bool wanted = false;  // by `request`
  bool cached = false;
};
std::vector<FileState> list_states(const Settings& settings, const PullRequest& request);

}  // namespace vulcap::hub
