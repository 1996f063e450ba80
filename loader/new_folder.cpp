#include "loader/new_folder.h"

#include <unistd.h>

#include <string>
#include <system_error>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;

fs::path without_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  throw core::Error(core::ErrorCode::kRuntime, path.string() + ": cannot be made (" + error.message() + ")");
}

}  // namespace

NewFolder::NewFolder(fs::path target) : target_(without_slash(target)) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(target_, error)) &&
      !(fs::is_directory(target_, error) && fs::is_empty(target_, error)))
    throw core::Error(core::ErrorCode::kUsage,
                      target_.string() + ": is there already; give the result a folder of its own");
  temporary_ = target_.string() + ".part" + std::to_string(getpid());
  if (!fs::create_directory(temporary_, error)) fail(target_, error);
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void NewFolder::commit() {
  std::error_code error;
  fs::rename(temporary_, target_, error);
  if (error) fail(target_, error);
  committed_ = true;
}

}  // namespace vulcap::loader
