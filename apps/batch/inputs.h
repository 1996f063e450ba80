// The inputs of a batch job, as the user names them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/batch/item.h"
#include "apps/cli/cli11_fwd.h"

namespace vulcap::apps {

struct InputOptions {
  std::vector<std::string> inputs = {};     // images, folders, patterns, archives, lists by their names, "-"
  std::vector<std::string> manifests = {};  // lists whatever their names
  std::string manifest_format = "auto";     // auto (by the name), text, csv, tsv, jsonl
  std::filesystem::path root = {};          // that paths in lists count from; empty: the current folder

  // --manifest, --manifest-format and --root.
  void add_lists_to(CLI::App& command);
};

// All of them, one after the other:
//   a folder: the images below it, by their names' endings; archives in it are left out
//   a pattern, where no file has that very name: images and archives that match
//   an archive: its images; a list (.txt, .csv, .tsv, .jsonl) or "-": see manifest.h
//   any other file is taken for an image
// Throws core::Error(kUsage) for what is not there, and for lists among images, as photos/* may give them.
std::unique_ptr<ItemSource> open_inputs(const InputOptions& options);

// Whether all items can be counted without reading them from an archive or stdin.
bool can_be_counted(const InputOptions& options);

}  // namespace vulcap::apps
