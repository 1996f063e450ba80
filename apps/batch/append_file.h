// A file that only grows, by whole records, however the process or the disk fails.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vulcap::apps {

// Errors: core::Error(kRuntime) naming the path, what failed and why. Not for several threads at once.
class AppendFile {
 public:
  // Opens, or creates empty. Throws core::Error(kUsage) for what is no regular file.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // False when another process holds the file's lock. The lock lasts until the object, or the process, ends.
  // A file system without locks counts as free; `warning` then says so.
  bool lock(std::string& warning);
  // All of `text`, or nothing where writing fails: what got through is taken back.
  void append(std::string_view text);
  // Returns when all that was appended is on the disk.
  void sync();
  void truncate(uint64_t size);
  // Up to buffer.size() bytes from `offset` on; returns how many there were.
  size_t read(uint64_t offset, std::span<char> buffer) const;

  uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

// Makes the names in the folder of `path` as lasting as the files. Throws core::Error(kRuntime).
void sync_folder_of(const std::filesystem::path& path);

}  // namespace vulcap::apps
