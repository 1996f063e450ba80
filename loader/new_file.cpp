#include "loader/new_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "runtime/core/error.h"

namespace vulcap::loader {

NewFile::NewFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(path_, ignored)) {
    if (const auto target = std::filesystem::canonical(path_, ignored); !ignored) path_ = target;
  }
  if (std::filesystem::is_directory(path_, ignored)) fail(EISDIR);
  if (!std::filesystem::exists(path_, ignored) || std::filesystem::is_regular_file(path_, ignored))
    temporary_ = path_.string() + ".part" + std::to_string(getpid());
  file_.reset(std::fopen((temporary_.empty() ? path_ : temporary_).c_str(), "wbe"));
  if (!file_) fail(errno);
}

NewFile::~NewFile() {
  if (temporary_.empty()) return;
  file_.reset();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void NewFile::fail(int reason) const {
  throw core::Error(core::ErrorCode::kRuntime,
                    path_.string() + ": cannot be written (" + std::strerror(reason) + ")");
}

void NewFile::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail(errno);
  size_ += bytes.size();
}

void NewFile::commit() {
  if (std::fflush(file_.get()) != 0) fail(errno);
  if (!temporary_.empty() && fsync(fileno(file_.get())) != 0) fail(errno);
  if (std::fclose(file_.release()) != 0) fail(errno);
  if (temporary_.empty()) return;
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) fail(error.value());
  temporary_.clear();
}

}  // namespace vulcap::loader
