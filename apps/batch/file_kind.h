// What a file is for, by its name.
#pragma once

#include <filesystem>

namespace vulcap::apps {

enum class FileKind {
  kImage,  // also of a format that is not read: such an image gets a record that says so
  kArchive,
  kTextList,
  kCsv,
  kTsv,
  kJsonLines,
  kOther,
};

FileKind kind_of(const std::filesystem::path& path);

inline bool is_list(FileKind kind) {
  return kind == FileKind::kTextList || kind == FileKind::kCsv || kind == FileKind::kTsv ||
         kind == FileKind::kJsonLines;
}

}  // namespace vulcap::apps
