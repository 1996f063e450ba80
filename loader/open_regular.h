#pragma once

#include <filesystem>
#include <memory>

#include "runtime/core/mapped_file.h"

namespace vulcap::loader {

// core::MappedFile::open for regular files. Throws core::Error(kInvalidModel) beginning with the path when
// there is no such file or it is something else, before opening it (opening a pipe would wait for ever).
std::shared_ptr<const core::MappedFile> open_regular(const std::filesystem::path& path);

}  // namespace vulcap::loader
