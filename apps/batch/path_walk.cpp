#include "apps/batch/path_walk.h"

#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAnyFolders = "**";

}  // namespace

PathWalk::PathWalk(const fs::path& root, std::vector<std::string> pattern) : pattern_(std::move(pattern)) {
  pending_ = enter(root, {0});
}

std::optional<FoundPath> PathWalk::next() {
  if (pending_) return std::exchange(pending_, std::nullopt);
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.entries.size()) {
      levels_.pop_back();
      continue;
    }
    const Entry entry = level.entries[level.next++];
    const fs::path path = level.path / entry.name;
    if (entry.is_folder) {
      Places places = below(level.places, entry.name);
      if (places.empty()) continue;
      if (auto failure = enter(path, std::move(places))) return failure;
    } else if (takes_file(level.places, entry.name)) {
      return FoundPath{path, {}};
    }
  }
  return std::nullopt;
}

// Returns what went wrong.
std::optional<FoundPath> PathWalk::enter(const fs::path& path, Places places) {
  struct stat status {};
  const fs::path place = path.empty() ? "." : path;
  std::error_code error;
  if (::stat(place.c_str(), &status) != 0) error = {errno, std::generic_category()};
  Level level{path, {}, 0, with_skipped_folders(std::move(places)), {status.st_dev, status.st_ino}};
  const bool in_a_circle = std::any_of(levels_.begin(), levels_.end(),
                                       [&](const Level& outer) { return outer.identity == level.identity; });
  if (in_a_circle) return std::nullopt;
  for (fs::directory_iterator it(place, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    level.entries.push_back({it->path().filename().string(), it->is_directory(ignored)});
  }
  if (error) return FoundPath{path, "cannot read the folder: " + error.message()};
  std::sort(level.entries.begin(), level.entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  levels_.push_back(std::move(level));
  return std::nullopt;
}

bool PathWalk::matches(size_t place, const std::string& name) const {
  if (place == pattern_.size() || pattern_[place] == kAnyFolders) return name[0] != '.';
  return ::fnmatch(pattern_[place].c_str(), name.c_str(), FNM_PERIOD) == 0;
}

PathWalk::Places PathWalk::with_skipped_folders(Places places) const {
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i] < pattern_.size() && pattern_[places[i]] == kAnyFolders) places.push_back(places[i] + 1);
  }
  return places;
}

PathWalk::Places PathWalk::below(const Places& places, const std::string& name) const {
  Places result;
  for (size_t place : places) {
    if (!matches(place, name)) continue;
    const bool stays = place == pattern_.size() || pattern_[place] == kAnyFolders;
    result.push_back(stays ? place : place + 1);
  }
  return result;
}

bool PathWalk::takes_file(const Places& places, const std::string& name) const {
  return std::any_of(places.begin(), places.end(),
                     [&](size_t place) { return place + 1 >= pattern_.size() && matches(place, name); });
}

bool has_wildcard(const std::string& text) { return text.find_first_of("*?[") != text.npos; }

PathWalk walk_pattern(const std::string& pattern) {
  fs::path root;
  std::vector<std::string> rest;
  for (const fs::path& part : fs::path(pattern)) {
    if (rest.empty() && !has_wildcard(part.string())) {
      root /= part;
    } else {
      rest.push_back(part.string());
    }
  }
  return PathWalk(root, std::move(rest));
}

}  // namespace vulcap::apps
