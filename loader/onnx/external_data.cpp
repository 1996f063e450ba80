#include "loader/onnx/external_data.h"

#include <algorithm>
#include <system_error>

#include "loader/open_regular.h"

namespace vulcap::onnx {
namespace {

namespace fs = std::filesystem;

bool inside(const fs::path& target, const fs::path& folder) {
  const auto [at, end] = std::mismatch(folder.begin(), folder.end(), target.begin(), target.end());
  return !folder.empty() && at == folder.end();
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

}  // namespace

fs::path ExternalFiles::resolve(const std::string& location) const {
  const std::string name = "external data file " + quote(location);
  const fs::path relative(location);
  const bool climbs = std::find(relative.begin(), relative.end(), "..") != relative.end();
  if (location.empty() || location.find('\0') != std::string::npos || relative.is_absolute() || climbs) {
    fail(name + ": the location must be a relative path without \"..\"");
  }
  const fs::path folder = folder_of(model_);
  std::error_code error;
  const fs::path target = fs::canonical(folder / relative, error);
  if (error) {
    fail(name + " cannot be found beside the model (" + error.message() +
         "); download it into the same folder");
  }
  if (inside(target, fs::canonical(folder, error))) return target;
  if (fs::is_symlink(model_, error) && inside(target, fs::canonical(model_, error).parent_path()))
    return target;
  fail(name + " leads out of the model's folder, to " + target.string() + "; refused");
}

MappedRange ExternalFiles::map(const ExternalRange& range, size_t size) {
  auto& file = files_[range.location];
  if (!file) file = loader::open_regular(resolve(range.location));
  const std::string name = "external data file " + quote(range.location);
  if (range.offset < 0 || (range.length && *range.length < 0)) fail(name + ": negative offset or length");
  if (range.length && uint64_t(*range.length) != size) {
    fail(name + ": the tensor needs " + std::to_string(size) + " bytes but its length is " +
         std::to_string(*range.length));
  }
  const size_t held = file->bytes().size();
  if (uint64_t(range.offset) > held || size > held - size_t(range.offset)) {
    fail(name + " is too short: " + std::to_string(size) + " bytes at offset " +
         std::to_string(range.offset) + " are needed, the file has " + std::to_string(held) +
         "; download it again");
  }
  return {file, file->bytes().subspan(size_t(range.offset), size)};
}

}  // namespace vulcap::onnx
