#include "apps/batch/append_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, int number) {
  throw core::Error(core::ErrorCode::kRuntime,
                    path.string() + ": " + what + ": " + std::generic_category().message(number));
}

template <typename Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Returns 0, or the number of the error.
int write_whole(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = retried([&] { return ::write(file, text.data(), text.size()); });
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    text.remove_prefix(size_t(written));
  }
  return 0;
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  file_ = retried(
      [&] { return ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666); });
  if (file_ < 0) fail(path_, "cannot open for writing", errno);
  struct stat status {};
  if (::fstat(file_, &status) != 0) {
    const int number = errno;
    ::close(file_);
    fail(path_, "cannot ask for its size", number);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(file_);
    throw core::Error(core::ErrorCode::kUsage,
                      path_.string() +
                          " is no regular file; records go to a file that a stopped job can go on "
                          "with");
  }
  size_ = uint64_t(status.st_size);
}

AppendFile::~AppendFile() { ::close(file_); }

bool AppendFile::lock(std::string& warning) {
  if (retried([&] { return ::flock(file_, LOCK_EX | LOCK_NB); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  warning = path_.string() + ": the file system has no locks (" + std::generic_category().message(errno) +
            "); see to it that no other process writes to this output";
  return true;
}

void AppendFile::append(std::string_view text) {
  if (const int number = write_whole(file_, text); number != 0) {
    const bool undone = retried([&] { return ::ftruncate(file_, off_t(size_)); }) == 0;
    fail(path_,
         undone ? "writing failed; every record before is whole" : "writing failed; its last line is torn",
         number);
  }
  size_ += text.size();
}

void AppendFile::sync() {
  if (retried([&] { return ::fdatasync(file_); }) != 0) fail(path_, "bringing it to the disk failed", errno);
}

void AppendFile::truncate(uint64_t size) {
  if (retried([&] { return ::ftruncate(file_, off_t(size)); }) != 0)
    fail(path_, "cannot cut off its torn end", errno);
  size_ = size;
}

size_t AppendFile::read(uint64_t offset, std::span<char> buffer) const {
  size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t got = retried(
        [&] { return ::pread(file_, buffer.data() + done, buffer.size() - done, off_t(offset + done)); });
    if (got < 0) fail(path_, "cannot read", errno);
    if (got == 0) break;
    done += size_t(got);
  }
  return done;
}

void sync_folder_of(const std::filesystem::path& path) {
  const auto parent = std::filesystem::absolute(path).parent_path();
  const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) fail(parent, "cannot open the folder", errno);
  const int result = retried([&] { return ::fsync(folder); });
  const int number = errno;
  ::close(folder);
  // Some network file systems refuse to sync folders, and make names lasting by themselves.
  if (result != 0 && number != EINVAL && number != ENOTSUP)
    fail(parent, "bringing the folder to the disk failed", number);
}

}  // namespace vulcap::apps
