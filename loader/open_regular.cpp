#include "loader/open_regular.h"

#include <string>
#include <system_error>

#include "runtime/core/error.h"

namespace vulcap::loader {

std::shared_ptr<const core::MappedFile> open_regular(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  const char* problem = nullptr;
  if (!std::filesystem::exists(status)) {
    problem = ": file not found";
  } else if (std::filesystem::is_directory(status)) {
    problem = ": is a folder, not a file";
  } else if (!std::filesystem::is_regular_file(status)) {
    problem = ": not a regular file";
  }
  if (problem != nullptr) throw core::Error(core::ErrorCode::kInvalidModel, path.string() + problem);
  return core::MappedFile::open(path);
}

}  // namespace vulcap::loader
