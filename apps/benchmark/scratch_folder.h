// A temporary folder that goes away with its owner.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "runtime/core/error.h"

namespace vulcap::apps {

// In TMPDIR. Throws core::Error(kRuntime) where it cannot be made.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "vulcap-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw core::Error(core::ErrorCode::kRuntime, name + ": " + std::strerror(errno) + "; set TMPDIR");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace vulcap::apps
