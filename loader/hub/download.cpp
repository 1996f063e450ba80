#include "loader/hub/download.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "loader/hub/digest.h"
#include "loader/hub/failure.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& message) { throw core::Error(core::ErrorCode::kRuntime, message); }

// The file that grows: what is in it when it is opened counts.
class PartialFile {
 public:
  explicit PartialFile(fs::path path) : path_(std::move(path)) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file_ < 0) fail_to_write();
    const off_t end = lseek(file_, 0, SEEK_END);
    if (end < 0) fail_to_write();
    size_ = uint64_t(end);
  }
  ~PartialFile() {
    if (file_ >= 0) close(file_);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  uint64_t size() const { return size_; }
  const fs::path& path() const { return path_; }

  void clear() {
    if (ftruncate(file_, 0) != 0 || lseek(file_, 0, SEEK_SET) != 0) fail_to_write();
    size_ = 0;
  }

  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_to_write();
      size_ += uint64_t(written);
      bytes.remove_prefix(size_t(written));
    }
  }

  // Takes its name when it lies on the disk.
  void rename_to(const fs::path& name) {
    if (fdatasync(file_) != 0) fail_to_write();
    if (std::rename(path_.c_str(), name.c_str()) != 0) fail_to_write();
  }

 private:
  [[noreturn]] void fail_to_write() const {
    const int reason = errno;
    fail(path_.string() + ": cannot be written (" + std::strerror(reason) + ")" +
         (reason == ENOSPC || reason == EDQUOT
              ? "; free some space, or set HF_HUB_CACHE to another folder, and run the same command again"
              : ""));
  }

  fs::path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

class BlobDownload {
 public:
  BlobDownload(HttpClient& client, const RemoteFile& file, std::string url, PartialFile& partial,
               const std::atomic<bool>& stop, const DownloadEvents& events)
      : client_(client), file_(file), url_(std::move(url)), partial_(partial), stop_(stop), events_(events) {}

  // Until the file is whole; the last response when that fails.
  Response run() {
    uint64_t most = partial_.size();  // that there ever was: only more than that is progress
    for (int tries = 1;; ++tries) {
      if (is_whole()) return {.status = 200};
      const bool resumes = partial_.size() > 0;
      Response response = send();
      if (stop_.load()) throw Stopped();
      if (response.ok() && file_.size && !is_whole()) {
        response.problem = "the connection ended early";
        response.interrupted = true;
      }
      if (response.ok()) return response;
      if (response.status == 416 && resumes) {
        throw_away();
        continue;
      }
      if (partial_.size() > most) tries = 1;
      most = std::max(most, partial_.size());
      if (!client_.wait_for_next_try(response, tries)) return response;
    }
  }

  void throw_away() {
    events_.on_bytes(-int64_t(partial_.size()));
    partial_.clear();
  }

 private:
  bool is_whole() const { return file_.size && partial_.size() == *file_.size; }

  Response send() {
    if (file_.size && partial_.size() > *file_.size) throw_away();
    bool begun = false;
    Request request;
    request.url = url_;
    request.offset = partial_.size();
    request.on_body = [&](const Response& response, std::string_view piece) {
      if (!begun) begin(response, request.offset);
      begun = true;
      take(piece);
    };
    return client_.send(request);
  }

  // A server without ranges sends everything, and what there was goes.
  void begin(const Response& response, uint64_t offset) {
    const std::string expected = "bytes " + std::to_string(offset) + "-";
    if (offset > 0 && response.status != 206) throw_away();
    if (response.status == 206 && !response.header("content-range").starts_with(expected)) {
      throw_away();
      fail(file_.name + ": the hub sends another range than it was asked for; refused");
    }
  }

  void take(std::string_view piece) {
    if (stop_.load()) throw Stopped();
    if (file_.size && partial_.size() + piece.size() > *file_.size) {
      throw_away();
      fail(file_.name + ": the hub sends more than the " + std::to_string(*file_.size) +
           " bytes that it announced; refused");
    }
    partial_.append(piece);
    events_.on_bytes(int64_t(piece.size()));
  }

  HttpClient& client_;
  const RemoteFile& file_;
  std::string url_;
  PartialFile& partial_;
  const std::atomic<bool>& stop_;
  const DownloadEvents& events_;
};

fs::path incomplete(const RepoCache& cache, const RemoteFile& file) {
  return cache.blob(file.etag).string() + ".incomplete";
}

}  // namespace

uint64_t bytes_left_behind(const RepoCache& cache, const RemoteFile& file) {
  std::error_code error;
  const uintmax_t size = fs::file_size(incomplete(cache, file), error);
  return error || (file.size && size > *file.size) ? 0 : size;
}

void download_blob(HttpClient& client, const Settings& settings, const Source& source,
                   const std::string& commit, const RemoteFile& file, const RepoCache& cache,
                   const std::atomic<bool>& stop, const DownloadEvents& events) {
  const std::string name = source.repo + "/" + file.name;
  const fs::path blob = cache.blob(file.etag);
  if (fs::exists(blob)) return;
  const FileLock lock(
      cache.lock(file.etag), [&] { events.on_remark(name + ": another process downloads it; waiting"); },
      [&stop] { return stop.load(); });
  if (stop.load()) throw Stopped();
  if (fs::exists(blob)) return events.on_bytes(int64_t(file.size.value_or(0)));
  std::error_code error;
  fs::create_directories(blob.parent_path(), error);
  PartialFile partial(incomplete(cache, file));
  BlobDownload download(client, file, file_url(settings, source, commit, file.name), partial, stop, events);
  for (int round = 1;; ++round) {
    const Response response = download.run();
    if (stop.load()) throw Stopped();
    if (!response.ok()) fail_for(response, settings, source, name);
    if (matches_etag(partial.path(), file.etag)) break;
    download.throw_away();
    if (round == 2)
      fail(name + ": what the hub sends is not what its digest " + file.etag + " says; refused");
    events.on_remark(name + ": the digest is wrong; downloading it again");
  }
  partial.rename_to(blob);
}

}  // namespace vulcap::hub
