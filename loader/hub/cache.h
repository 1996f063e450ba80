// The shared cache of a hub's files, laid out as Python's huggingface_hub does it, so that both use one
// another's downloads:
//   models--org--name/blobs/<etag>                 content, once
//   models--org--name/refs/<branch or tag>         the commit it stood for
//   models--org--name/snapshots/<commit>/<file>    a link to the blob
//   .locks/models--org--name/<etag>.lock           held while a blob is downloaded
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vulcap::hub {

// Writing throws core::Error(kRuntime) with the path and the system's reason.
class RepoCache {
 public:
  // `repo`: "org/name".
  RepoCache(const std::filesystem::path& cache, const std::string& repo);

  const std::filesystem::path& dir() const { return dir_; }
  std::filesystem::path blob(const std::string& etag) const { return dir_ / "blobs" / etag; }
  std::filesystem::path snapshot(const std::string& commit) const { return dir_ / "snapshots" / commit; }
  std::filesystem::path lock(const std::string& etag) const;

  // What a branch, a tag or a commit stands for, as far as the cache knows.
  std::optional<std::string> commit_of(const std::string& revision) const;
  void write_ref(const std::string& revision, const std::string& commit) const;
  // Makes `file` of the snapshot a link to the blob; a copy where the file system has no links.
  void link(const std::string& commit, const std::string& file, const std::string& etag) const;

 private:
  std::filesystem::path dir_, locks_;
};

// Held from construction on, against other processes and threads; given back by the destructor. `on_wait` is
// called once when somebody else holds it. Where the file system knows no locks, none is held.
class FileLock {
 public:
  FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait,
           const std::function<bool()>& stop);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_ = -1;
};

// Files of a snapshot, relative, with "/" between folders, in order; broken links are left out.
std::vector<std::string> snapshot_files(const std::filesystem::path& snapshot);

// What the cache holds of one repository.
struct CachedRepo {
  std::string repo;
  std::vector<std::string> revisions;  // branches and tags; the first twelve digits of a commit without one
  std::vector<std::string> dtypes;     // variants of its .onnx files
  uint64_t bytes = 0;                  // of its blobs
  std::filesystem::path dir;
};
// Sorted by name; empty when there is no cache.
std::vector<CachedRepo> list_cache(const std::filesystem::path& cache);

}  // namespace vulcap::hub
