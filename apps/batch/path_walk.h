// The files below a folder, or those that a pattern names, in the order of their names.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vulcap::apps {

struct FoundPath {
  std::filesystem::path path;
  std::string error;  // why a folder could not be read; empty: it is a file
};

// Holds the names of the folders on the way to the current one, not of the whole tree. Follows symbolic
// links, but not in circles. Hidden names are left out unless the pattern begins with a dot itself.
class PathWalk {
 public:
  // `pattern`: components with *, ? and [] as in a shell; "**" stands for any number of folders. A folder
  // that matches stands for all that is below it. Empty: all that is below `root`.
  PathWalk(const std::filesystem::path& root, std::vector<std::string> pattern);

  std::optional<FoundPath> next();

 private:
  // Places in the pattern, up to its length, which stands for anything.
  using Places = std::vector<size_t>;
  struct Entry {
    std::string name;
    bool is_folder;
  };
  struct Level {
    std::filesystem::path path;
    std::vector<Entry> entries;
    size_t next = 0;
    Places places;
    std::pair<dev_t, ino_t> identity;
  };

  std::optional<FoundPath> enter(const std::filesystem::path& path, Places places);
  bool matches(size_t place, const std::string& name) const;
  Places with_skipped_folders(Places places) const;
  Places below(const Places& places, const std::string& name) const;
  bool takes_file(const Places& places, const std::string& name) const;

  std::vector<std::string> pattern_;
  std::vector<Level> levels_;
  std::optional<FoundPath> pending_;  // the error of the root
};

bool has_wildcard(const std::string& text);

// Splits "a/b*/c" into the folder "a" and the pattern {"b*", "c"}.
PathWalk walk_pattern(const std::string& pattern);

}  // namespace vulcap::apps
