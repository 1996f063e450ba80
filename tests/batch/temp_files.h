// Folders and archives that a test makes.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <vector>

#include "apps/batch/item.h"
#include "tests/apps/model_folder.h"

namespace vulcap::testing {

struct Member {
  std::string name;
  std::string bytes;
};

// `gzip`: compressed.
inline void write_archive(const fs::path& path, const std::vector<Member>& members, bool gzip = false) {
  archive* writer = archive_write_new();
  archive_write_set_format_ustar(writer);
  if (gzip) archive_write_add_filter_gzip(writer);
  archive_write_open_filename(writer, path.c_str());
  for (const Member& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.name.c_str());
    archive_entry_set_size(entry, la_int64_t(member.bytes.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(writer, entry);
    archive_write_data(writer, member.bytes.data(), member.bytes.size());
    archive_entry_free(entry);
  }
  archive_write_free(writer);
}

// Every item of a source, with its bytes.
inline std::vector<apps::BatchItem> items_of(apps::ItemSource& source) {
  std::vector<apps::BatchItem> items;
  while (auto item = source.next({})) {
    if (item->error.empty()) source.load(*item);
    items.push_back(std::move(*item));
  }
  return items;
}

inline std::vector<std::string> names_of(const std::vector<apps::BatchItem>& items) {
  std::vector<std::string> names;
  for (const apps::BatchItem& item : items)
    names.push_back(item.error.empty() ? item.file : "! " + item.error);
  return names;
}

}  // namespace vulcap::testing
