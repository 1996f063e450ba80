#include "loader/hub/pull.h"

#include <fnmatch.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "loader/hub/byte_count.h"
#include "loader/hub/cache.h"
#include "loader/hub/download.h"
#include "loader/hub/file_choice.h"
#include "loader/hub/names.h"
#include "loader/hub/workers.h"
#include "loader/onnx/external_locations.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;

std::vector<std::string> matching(const std::vector<std::string>& names, const PullRequest& request) {
  std::set<std::string> chosen;
  for (const std::string& pattern : request.patterns) {
    const size_t before = chosen.size();
    for (const std::string& name : names)
      if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) chosen.insert(name);
    if (chosen.size() == before) {
      throw core::Error(ErrorCode::kInvalidModel, request.source.repo + " has no file '" + pattern +
                                                      "'; vulcap pull --list shows them");
    }
  }
  return {chosen.begin(), chosen.end()};
}

std::vector<std::string> chosen_names(const std::vector<std::string>& names, const PullRequest& request) {
  if (!request.patterns.empty()) return matching(names, request);
  const loader::DtypeRequest dtype(request.dtype);
  try {
    return choose_files(names, dtype);
  } catch (core::Error& error) {
    throw error.add_context(request.source.repo);
  }
}

std::set<std::string> locations_in(const std::string& name, const fs::path& path) {
  try {
    return onnx::external_locations(path);
  } catch (core::Error& error) {
    throw error.add_context(name);
  }
}

// Files that the graphs among `files` name as places of their weights and that are not among them yet.
std::vector<std::string> weights_beside(const std::map<std::string, fs::path>& files) {
  std::set<std::string> missing;
  for (const auto& [name, path] : files) {
    if (!name.ends_with(".onnx")) continue;
    for (const std::string& location : locations_in(name, path)) {
      const std::string beside = (fs::path(name).parent_path() / location).generic_string();
      check_file_name(beside);
      if (!files.count(beside)) missing.insert(beside);
    }
  }
  return {missing.begin(), missing.end()};
}

std::vector<std::string> names_of(const Listing& listing) {
  std::vector<std::string> names;
  for (const RemoteFile& file : listing.files) names.push_back(file.name);
  return names;
}

void check_request(const Settings& settings, const PullRequest& request) {
  if (!is_repo_id(request.source.repo)) {
    throw core::Error(ErrorCode::kUsage, "'" + printable(request.source.repo) +
                                             "' is no repository; write org/model or org/model:dtype");
  }
  check_revision(request.source.revision);
  if (settings.offline) {
    throw core::Error(
        ErrorCode::kRuntime,
        request.source.repo + " is not downloaded: offline is set (HF_HUB_OFFLINE or --offline)");
  }
}

class Pull {
 public:
  Pull(const Settings& settings, const PullRequest& request, const PullEvents& events)
      : settings_(settings),
        request_(request),
        events_(events),
        cache_(settings.cache, request.source.repo),
        client_(settings),
        bytes_(events.on_bytes) {}

  fs::path run() {
    listing_ = list_files(client_, settings_, request_.source);
    const std::vector<std::string> names = chosen_names(names_of(listing_), request_);
    fetch(find(names));
    if (request_.patterns.empty()) fetch(find(weights_beside(fetched_)));
    for (const auto& [name, blob] : fetched_) cache_.link(listing_.commit, name, blob.filename().string());
    cache_.write_ref(request_.source.revision, listing_.commit);
    return cache_.snapshot(listing_.commit);
  }

 private:
  std::vector<RemoteFile*> find(const std::vector<std::string>& names) {
    std::vector<RemoteFile*> files;
    for (const std::string& name : names) {
      const auto at = std::find_if(listing_.files.begin(), listing_.files.end(),
                                   [&name](const RemoteFile& file) { return file.name == name; });
      if (at == listing_.files.end()) {
        throw core::Error(ErrorCode::kInvalidModel, request_.source.repo + ": a graph keeps weights in " +
                                                        name + ", which the repository lacks");
      }
      files.push_back(&*at);
    }
    return files;
  }

  void fetch(const std::vector<RemoteFile*>& files) {
    run_workers(settings_, files.size(), stop_, [&](HttpClient& client, size_t i) {
      ask_for_details(client, settings_, request_.source, listing_.commit, *files[i]);
    });
    std::vector<RemoteFile*> absent;
    for (RemoteFile* file : files) {
      if (!fs::exists(cache_.blob(file->etag))) absent.push_back(file);
    }
    announce(absent);
    const DownloadEvents events{[this](int64_t bytes) { bytes_.add(bytes); },
                                [this](const std::string& line) { remark(line); }};
    run_workers(settings_, absent.size(), stop_, [&](HttpClient& client, size_t i) {
      download_blob(client, settings_, request_.source, listing_.commit, *absent[i], cache_, stop_, events);
    });
    for (const RemoteFile* file : files) fetched_[file->name] = cache_.blob(file->etag);
  }

  // Adds to the totals what is to come, which must have room.
  void announce(const std::vector<RemoteFile*>& absent) {
    uint64_t there = 0, size = 0;
    for (const RemoteFile* file : absent) {
      const uint64_t left = bytes_left_behind(cache_, *file);
      there += left;
      size += file->size.value_or(left);
    }
    if (absent.empty()) return;
    check_room(size - there);
    total_ += size;
    there_ += there;
    if (events_.on_plan) events_.on_plan(total_, there_);
  }

  void check_room(uint64_t needed) {
    std::error_code error;
    fs::create_directories(cache_.dir(), error);
    const fs::space_info space = fs::space(cache_.dir(), error);
    if (error || space.available >= needed) return;
    throw core::Error(ErrorCode::kRuntime,
                      cache_.dir().string() + ": no room for " + request_.source.repo + " (" +
                          std::to_string(needed) + " bytes are needed, " + std::to_string(space.available) +
                          " are free); free some space, or set HF_HUB_CACHE to another folder");
  }

  void remark(const std::string& line) {
    const std::lock_guard guard(mutex_);
    if (events_.on_remark) events_.on_remark(line);
  }

  const Settings& settings_;
  const PullRequest& request_;
  const PullEvents& events_;
  RepoCache cache_;
  HttpClient client_;
  Listing listing_;
  std::map<std::string, fs::path> fetched_;  // name -> blob
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  uint64_t total_ = 0;  // bytes to download,
  uint64_t there_ = 0;  // of which were there
  ByteCount bytes_;
};

}  // namespace

fs::path pull(const Settings& settings, const PullRequest& request, const PullEvents& events) {
  check_request(settings, request);
  return Pull(settings, request, events).run();
}

std::optional<fs::path> find_cached(const Settings& settings, const PullRequest& request) {
  check_revision(request.source.revision);
  const RepoCache cache(settings.cache, request.source.repo);
  const auto commit = cache.commit_of(request.source.revision);
  if (!commit) return std::nullopt;
  const fs::path snapshot = cache.snapshot(*commit);
  const std::vector<std::string> names = snapshot_files(snapshot);
  if (std::find(names.begin(), names.end(), "config.json") == names.end()) return std::nullopt;
  const loader::DtypeRequest dtype(request.dtype);
  try {
    choose_files(names, dtype);
  } catch (const core::Error&) {
    return std::nullopt;
  }
  return snapshot;
}

std::vector<FileState> list_states(const Settings& settings, const PullRequest& request) {
  check_request(settings, request);
  HttpClient client(settings);
  const Listing listing = list_files(client, settings, request.source);
  std::vector<std::string> wanted;
  try {
    wanted = chosen_names(names_of(listing), request);
  } catch (const core::Error& error) {
    if (error.code() != ErrorCode::kInvalidModel) throw;
  }
  const RepoCache cache(settings.cache, request.source.repo);
  std::vector<FileState> states;
  for (const RemoteFile& file : listing.files) {
    states.push_back({file, std::binary_search(wanted.begin(), wanted.end(), file.name),
                      !file.etag.empty() && fs::exists(cache.blob(file.etag))});
  }
  return states;
}

}  // namespace vulcap::hub
