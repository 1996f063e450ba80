// A folder as a commit of a hub's repository.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "loader/hub/listing.h"
#include "loader/hub/local_files.h"
#include "loader/hub/settings.h"

namespace vulcap::hub {

struct PushRequest {
  Source target = {};  // "org/name" and a branch, each made where it is missing
  std::filesystem::path folder = {};
  FileChoice files = {};
  std::string summary = {};          // first line of the commit
  std::string description = {};      // the rest of it
  bool is_private = false;           // of a repository that is made
  bool pull_request = false;         // propose the commit instead of adding it to the branch
  std::filesystem::path notes = {};  // where interrupted uploads are kept in mind; empty: nowhere
};

struct PushEvents {
  // A piece of work begins: "checksums" or "upload", of `total` bytes, `there` of which an earlier push did.
  std::function<void(const std::string& work, uint64_t total, uint64_t there)> on_work;
  std::function<void(uint64_t bytes)> on_bytes;       // done of it; from any thread, one at a time
  std::function<void(const std::string&)> on_remark;  // one line for the user
};

struct PushResult {
  std::string commit;    // 40 hexadecimal digits
  std::string url;       // of the commit, or of the pull request
  size_t changed = 0;    // files of the commit
  size_t unchanged = 0;  // files that the branch has already; with none changed there is no commit
  uint64_t sent = 0;     // bytes of large files that the hub lacked
};

// Makes the branch have the folder's files, in one commit, once all content has arrived; files that only the
// branch has stay. The same call after a failure goes on where that one stopped. Throws core::Error: kUsage
// for a name that is none or without a token, kInvalidModel for a folder that cannot be published (see
// list_local_files() and check_weights()), kRuntime for what the network or the hub refuses.
PushResult push(const Settings& settings, const PushRequest& request, const PushEvents& events);

}  // namespace vulcap::hub
