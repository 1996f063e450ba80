#include "loader/hub/local_files.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "loader/hub/names.h"
#include "loader/onnx/external_locations.h"
#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;

[[noreturn]] void refuse(const fs::path& path, const std::string& reason) {
  throw core::Error(ErrorCode::kInvalidModel, path.string() + " " + reason);
}

bool matches(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&name](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

bool is_left_out(const fs::path& relative) {
  return std::any_of(relative.begin(), relative.end(),
                     [](const fs::path& part) { return part == ".git" || part == ".cache"; });
}

bool is_utf8(const std::string& text) {
  try {
    nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

void check_link(const fs::path& path, const fs::path& root) {
  std::error_code error;
  const fs::path target = fs::canonical(path, error);
  if (error) refuse(path, "is a link to nothing; remove it or leave it out with --exclude");
  if (fs::is_directory(target)) refuse(path, "is a link to a folder; put its files here instead");
  const auto [inside, end] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  if (inside != root.end()) {
    refuse(path, "is a link out of the folder, to " + target.string() +
                     "; put the file here instead, or leave it out with --exclude");
  }
}

LocalFile describe(const fs::path& path, std::string name) {
  std::error_code error;
  LocalFile file{std::move(name), path, fs::file_size(path, error), {}};
  if (!error) file.changed = fs::last_write_time(path, error);
  if (error)
    throw core::Error(ErrorCode::kRuntime, path.string() + ": cannot be read (" + error.message() + ")");
  return file;
}

class Reader {
 public:
  explicit Reader(const LocalFile& file)
      : path_(file.path), file_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_ < 0) fail(std::strerror(errno));
  }
  ~Reader() {
    if (file_ >= 0) close(file_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // At least one byte.
  size_t read(uint64_t offset, char* to, size_t count) const {
    ssize_t got = 0;
    do got = pread(file_, to, count, off_t(offset));
    while (got < 0 && errno == EINTR);
    if (got < 0) fail(std::strerror(errno));
    if (got == 0) fail("it has become shorter");
    return size_t(got);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw core::Error(ErrorCode::kRuntime, path_.string() + ": cannot be read (" + reason + ")");
  }

  fs::path path_;
  int file_;
};

}  // namespace

std::vector<LocalFile> list_local_files(const fs::path& folder, const FileChoice& choice) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) refuse(folder, "is no folder");
  const fs::path root = fs::canonical(folder);
  std::vector<LocalFile> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path relative = entry.path().lexically_relative(folder);
    const std::string name = relative.generic_string();
    if (is_left_out(relative) || (entry.is_directory() && !entry.is_symlink())) continue;
    if (matches(choice.exclude, name)) continue;
    if (!choice.include.empty() && !matches(choice.include, name)) continue;
    if (entry.is_symlink()) check_link(entry.path(), root);
    if (!entry.is_regular_file()) refuse(entry.path(), "is no regular file; leave it out with --exclude");
    if (!is_file_name(name) || !is_utf8(name))
      refuse(folder, "has a file whose name no repository takes: '" + printable(name) + "'");
    files.push_back(describe(entry.path(), name));
  }
  if (files.empty()) refuse(folder, "has no file to push");
  std::sort(files.begin(), files.end(),
            [](const LocalFile& a, const LocalFile& b) { return a.name < b.name; });
  return files;
}

void check_weights(const std::vector<LocalFile>& files) {
  std::set<std::string> names;
  for (const LocalFile& file : files) names.insert(file.name);
  for (const LocalFile& file : files) {
    if (!file.name.ends_with(".onnx")) continue;
    for (const std::string& location : onnx::external_locations(file.path)) {
      const std::string inside = fs::path(location).lexically_normal().generic_string();
      const fs::path beside = fs::path(file.name).parent_path() / inside;
      if (!is_file_name(inside))
        refuse(file.path, "keeps weights in '" + printable(location) + "', which is no place in this folder");
      if (!names.count(beside.generic_string()))
        refuse(file.path, "keeps weights in '" + location + "', which is not among the files to push");
    }
  }
}

void check_unchanged(const LocalFile& file) {
  const LocalFile now = describe(file.path, file.name);
  if (now.size == file.size && now.changed == file.changed) return;
  throw core::Error(ErrorCode::kRuntime,
                    file.path.string() + ": changed while it was pushed; run the same command again");
}

Body file_body(const LocalFile& file, uint64_t offset, uint64_t size,
               std::function<void(uint64_t)> on_bytes) {
  const auto reader = std::make_shared<const Reader>(file);
  return {size, [reader, offset, on_bytes = std::move(on_bytes)](uint64_t from, char* to, size_t count) {
            const size_t got = reader->read(offset + from, to, count);
            on_bytes(got);
            return got;
          }};
}

std::string read_whole(const LocalFile& file) {
  const Reader reader(file);
  std::string content(file.size, '\0');
  for (size_t done = 0; done < content.size();)
    done += reader.read(done, content.data() + done, content.size() - done);
  return content;
}

}  // namespace vulcap::hub
