// Images that appear in a folder, each told when it is fully written.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vulcap::apps {

// Files whose names end in .png, .jpg or .jpeg (in any case) and do not begin with a dot. Fully written: the
// writer closed it, it was moved or linked here.
class FolderWatcher {
 public:
  // Throws core::Error: kUsage when `folder` is none, kRuntime when the system does not watch it.
  FolderWatcher(std::filesystem::path folder, bool recursive);
  ~FolderWatcher();
  FolderWatcher(const FolderWatcher&) = delete;
  FolderWatcher& operator=(const FolderWatcher&) = delete;

  // Those that were there before, by name.
  const std::vector<std::filesystem::path>& existing() const { return existing_; }
  // Can be read when take() may have something.
  int descriptor() const { return descriptor_; }
  // Those that became complete since the last call, in that order. Does not wait. Throws
  // core::Error(kRuntime) when the folder itself is gone.
  std::vector<std::filesystem::path> take();

 private:
  // What makes two states of a file the same.
  struct Stamp {
    uint64_t inode;
    int64_t size;
    int64_t modified_ns;
    bool operator==(const Stamp&) const = default;
  };

  void add_folder(const std::filesystem::path& folder);
  // Everything in `folder` and below that was not told yet and nobody is writing.
  void scan(const std::filesystem::path& folder);
  void handle(int watch, uint32_t mask, const std::string& name);
  void tell(const std::filesystem::path& file);

  std::filesystem::path root_;
  bool recursive_;
  int descriptor_ = -1;
  std::map<int, std::filesystem::path> folders_;  // by watch
  std::map<std::filesystem::path, Stamp> told_;
  std::vector<std::filesystem::path> existing_;
  std::vector<std::filesystem::path> pending_;
};

}  // namespace vulcap::apps
