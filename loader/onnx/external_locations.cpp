#include "loader/onnx/external_locations.h"

#include "loader/onnx/message_rewriter.h"
#include "loader/open_regular.h"
#include "runtime/core/error.h"

namespace vulcap::onnx {

namespace fs = std::filesystem;

std::set<std::string> external_locations(const fs::path& path) {
  const auto file = loader::open_regular(path);
  std::set<std::string> found;
  try {
    rewrite_message(WireReader(file->bytes()),
                    [&](WireReader tensor, const std::string&) -> std::optional<Rope> {
                      if (const auto location = external_location(tensor)) found.insert(*location);
                      return std::nullopt;
                    });
  } catch (core::Error& error) {
    throw error.add_context(path.string());
  }
  return found;
}

std::vector<fs::path> model_files(const fs::path& path) {
  std::vector<fs::path> files{path};
  for (const std::string& location : external_locations(path)) files.push_back(path.parent_path() / location);
  return files;
}

uint64_t model_bytes(const fs::path& path) {
  uint64_t bytes = 0;
  for (const fs::path& file : model_files(path)) bytes += fs::file_size(file);
  return bytes;
}

}  // namespace vulcap::onnx
