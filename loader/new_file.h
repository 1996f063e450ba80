// A file that takes its name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

namespace vulcap::loader {

// Written beside `path` under a temporary name, which goes away if commit() is not reached. A symbolic link
// stays and its target is replaced; what is no file (a pipe, a device) is written as it is. Throws
// core::Error(kRuntime) beginning with `path` and the system's reason when something cannot be written.
class NewFile {
 public:
  explicit NewFile(std::filesystem::path path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::span<const std::byte> bytes);
  size_t size() const { return size_; }
  // Replaces what was at `path`, once the bytes are on the disk.
  void commit();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail(int reason) const;

  std::filesystem::path path_, temporary_;
  std::unique_ptr<std::FILE, Close> file_;
  size_t size_ = 0;
};

}  // namespace vulcap::loader
