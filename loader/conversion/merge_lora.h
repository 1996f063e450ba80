#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace vulcap::conversion {

// What became of one model of a folder.
struct MergedFile {
  std::filesystem::path name;  // in the folder
  size_t modules = 0;          // of the adapter that were merged into it; 0: it was copied as it is
  size_t weights = 0;          // that changed
  std::string left_out;        // why it is not in the result; empty: it is
};

// A copy of the model folder `folder` at `out`, a new folder, with the adapter in the weights of those models
// that have its modules. Every module must be in one of them. Quantised variants of a model that was merged
// are left out. Not copied either: expected answers, which are those of the model without the adapter, and
// the adapter itself. Throws core::Error: kInvalidModel when modules are nowhere or the adapter does not fit,
// a weight is quantised among the reasons; kUsage and kRuntime as make_folder. Nothing is left at `out` then.
std::vector<MergedFile> merge_folder(const std::filesystem::path& folder,
                                     const std::filesystem::path& adapter, const std::filesystem::path& out);

}  // namespace vulcap::conversion
