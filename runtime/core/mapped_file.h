// A read-only private mapping of a whole file. Errors: core::Error(kInvalidModel) naming the path and the
// reason.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace vulcap::core {

class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Tells the kernel that the whole pages inside `range` are not needed soon; a later read faults them in
  // again.
  static void release_pages(std::span<const std::byte> range);

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size);

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace vulcap::core
