#include "apps/watch/folder_watcher.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "loader/image/image_files.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

[[noreturn]] void fail(const fs::path& path, int reason) {
  std::string message = path.string() + ": cannot be watched: " + std::strerror(reason);
  if (reason == ENOSPC) message += " (the limit of folders is fs.inotify.max_user_watches)";
  if (reason == EMFILE) message += " (the limit of watchers is fs.inotify.max_user_instances)";
  throw core::Error(core::ErrorCode::kRuntime, message);
}

// A lease for reading is refused while a writer has the file open. Where leases cannot be had (the file is
// another user's, or lies on a network) nobody is taken to write.
bool is_being_written(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return false;
  const bool writer = fcntl(descriptor, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
  close(descriptor);
  return writer;
}

}  // namespace

FolderWatcher::FolderWatcher(fs::path folder, bool recursive)
    : root_(std::move(folder)), recursive_(recursive) {
  if (!fs::is_directory(root_)) {
    throw core::Error(core::ErrorCode::kUsage,
                      root_.string() + " is no folder; watch takes the folder in which images appear");
  }
  // Sent to who holds a lease (see is_being_written) when a writer comes.
  std::signal(SIGIO, SIG_IGN);
  // The first scan says what was there before; the second, behind the watch, finds what came in between.
  scan(root_);
  existing_.swap(pending_);
  std::sort(existing_.begin(), existing_.end());
  descriptor_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor_ < 0) fail(root_, errno);
  try {
    add_folder(root_);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

FolderWatcher::~FolderWatcher() { close(descriptor_); }

void FolderWatcher::add_folder(const fs::path& folder) {
  const int watch = inotify_add_watch(descriptor_, folder.c_str(), kEvents);
  if (watch < 0) {
    // A folder below that went away again, or is not ours to read, is not watched.
    if (folder != root_ && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) return;
    fail(folder, errno);
  }
  folders_[watch] = folder;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (recursive_ && entry.is_directory(ignored) && !entry.is_symlink(ignored)) add_folder(entry.path());
  }
  scan(folder);
}

void FolderWatcher::scan(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (recursive_ && entry.is_directory(ignored) && !entry.is_symlink(ignored)) {
      scan(entry.path());
    } else if (!is_being_written(entry.path())) {
      tell(entry.path());
    }
  }
}

void FolderWatcher::tell(const fs::path& file) {
  struct stat status {};
  if (!image::has_image_name(file) || stat(file.c_str(), &status) != 0) return;
  if (!S_ISREG(status.st_mode) || status.st_size == 0) return;
  const Stamp stamp{status.st_ino, status.st_size,
                    int64_t(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
  const auto [known, fresh] = told_.emplace(file, stamp);
  if (!fresh && known->second == stamp) return;
  known->second = stamp;
  if (std::find(pending_.begin(), pending_.end(), file) == pending_.end()) pending_.push_back(file);
}

void FolderWatcher::handle(int watch, uint32_t mask, const std::string& name) {
  if ((mask & IN_Q_OVERFLOW) != 0) return scan(root_);
  const auto folder = folders_.find(watch);
  if (folder == folders_.end()) return;
  if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) {
    if (folder->second == root_)
      throw core::Error(core::ErrorCode::kRuntime, root_.string() + " is gone: it was removed or moved");
    if ((mask & IN_IGNORED) != 0) folders_.erase(folder);
    return;
  }
  const fs::path path = folder->second / name;
  if ((mask & IN_ISDIR) != 0) {
    if (recursive_) add_folder(path);
  } else if ((mask & IN_CREATE) == 0 || !is_being_written(path)) {
    // Created and not open for writing: a link.
    tell(path);
  }
}

std::vector<fs::path> FolderWatcher::take() {
  alignas(inotify_event) std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t got = read(descriptor_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) fail(root_, errno);
    if (got <= 0) break;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      handle(event.wd, event.mask, event.len > 0 ? std::string(name) : std::string());
      at += ssize_t(sizeof event + event.len);
    }
  }
  std::vector<fs::path> found;
  found.swap(pending_);
  return found;
}

}  // namespace vulcap::apps
