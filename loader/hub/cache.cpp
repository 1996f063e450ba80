#include "loader/hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "loader/hub/names.h"
#include "loader/model_dir.h"
#include "loader/new_file.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "models--";

[[noreturn]] void fail(const fs::path& path, const std::string& reason) {
  throw core::Error(core::ErrorCode::kRuntime,
                    path.string() + ": cannot be written (" + reason +
                        "); HF_HOME or HF_HUB_CACHE name another folder for downloads");
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(folder, error.message());
}

std::string folder_name(const std::string& repo) {
  std::string name = kPrefix + repo;
  if (const size_t slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  return name;
}

std::optional<std::string> repo_of_folder(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::string repo = name.substr(std::strlen(kPrefix));
  if (const size_t dashes = repo.find("--"); dashes != repo.npos) repo.replace(dashes, 2, "/");
  return is_repo_id(repo) ? std::optional(repo) : std::nullopt;
}

std::string read_ref(const fs::path& path) {
  std::ifstream file(path);
  std::string commit{std::istreambuf_iterator<char>(file), {}};
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r')) commit.pop_back();
  return commit;
}

// The files below `folder`, whatever they are, relative to it; empty when there is no such folder.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) files.push_back(at->path().lexically_relative(folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

CachedRepo describe(const std::string& repo, const fs::path& dir) {
  CachedRepo cached{repo, {}, {}, 0, dir};
  std::set<std::string> named, dtypes;
  for (const fs::path& ref : files_below(dir / "refs")) {
    cached.revisions.push_back(ref.generic_string());
    named.insert(read_ref(dir / "refs" / ref));
  }
  std::error_code error;
  for (fs::directory_iterator at(dir / "snapshots", error), end; !error && at != end; at.increment(error)) {
    const std::string commit = at->path().filename().string();
    if (!named.count(commit)) cached.revisions.push_back(commit.substr(0, 12));
    for (const std::string& file : snapshot_files(at->path()))
      if (file.ends_with(".onnx")) dtypes.insert(loader::describe_onnx_file(file).dtype);
  }
  for (const fs::path& blob : files_below(dir / "blobs")) {
    const uintmax_t size = fs::file_size(dir / "blobs" / blob, error);
    if (!error) cached.bytes += size;
  }
  cached.dtypes.assign(dtypes.begin(), dtypes.end());
  return cached;
}

}  // namespace

RepoCache::RepoCache(const fs::path& cache, const std::string& repo)
    : dir_(cache / folder_name(repo)), locks_(cache / ".locks" / folder_name(repo)) {}

fs::path RepoCache::lock(const std::string& etag) const { return locks_ / (etag + ".lock"); }

std::optional<std::string> RepoCache::commit_of(const std::string& revision) const {
  std::error_code error;
  if (const std::string commit = read_ref(dir_ / "refs" / revision);
      is_sha1(commit) && fs::is_directory(snapshot(commit), error))
    return commit;
  if (is_sha1(revision) && fs::is_directory(snapshot(revision), error)) return revision;
  return std::nullopt;
}

void RepoCache::write_ref(const std::string& revision, const std::string& commit) const {
  const fs::path path = dir_ / "refs" / revision;
  if (revision == commit || read_ref(path) == commit) return;
  make_folder(path.parent_path());
  loader::NewFile file(path);
  file.write(std::as_bytes(std::span(commit)));
  file.commit();
}

void RepoCache::link(const std::string& commit, const std::string& file, const std::string& etag) const {
  const fs::path path = snapshot(commit) / file;
  std::error_code error;
  const fs::path target = blob(etag).lexically_relative(path.parent_path());
  if (fs::read_symlink(path, error) == target && fs::exists(path, error)) return;
  make_folder(path.parent_path());
  // A new name first, so that whoever reads the snapshot finds either the old file or the new one.
  const fs::path temporary = path.string() + ".part" + std::to_string(getpid());
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (error) fs::copy_file(blob(etag), temporary, error);
  if (!error) fs::rename(temporary, path, error);
  if (error) fail(path, error.message());
}

FileLock::FileLock(const fs::path& path, const std::function<void()>& on_wait,
                   const std::function<bool()>& stop) {
  make_folder(path.parent_path());
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) fail(path, std::strerror(errno));
  bool told = false;
  while (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return;
    if (!told) on_wait();
    told = true;
    if (stop()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

FileLock::~FileLock() {
  if (file_ >= 0) close(file_);
}

std::vector<std::string> snapshot_files(const fs::path& snapshot) {
  std::vector<std::string> names;
  for (const fs::path& file : files_below(snapshot)) names.push_back(file.generic_string());
  return names;
}

std::vector<CachedRepo> list_cache(const fs::path& cache) {
  std::vector<CachedRepo> repos;
  std::error_code error;
  for (fs::directory_iterator at(cache, error), end; !error && at != end; at.increment(error)) {
    if (const auto repo = repo_of_folder(at->path().filename().string()))
      repos.push_back(describe(*repo, at->path()));
  }
  std::sort(repos.begin(), repos.end(), [](const auto& a, const auto& b) { return a.repo < b.repo; });
  return repos;
}

}  // namespace vulcap::hub
