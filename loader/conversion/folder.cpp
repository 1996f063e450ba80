#include "loader/conversion/folder.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "loader/new_folder.h"
#include "loader/onnx/external_locations.h"
#include "runtime/core/error.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

// Models and their data, relative to the folder.
std::set<fs::path> model_files(const fs::path& folder) {
  std::set<fs::path> files;
  for (const loader::OnnxFile& model : loader::list_onnx_files(folder)) {
    const fs::path name = model.path.lexically_relative(folder);
    files.insert(name);
    for (const std::string& location : onnx::external_locations(model.path))
      files.insert((name.parent_path() / location).lexically_normal());
  }
  return files;
}

void copy_one(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, error);
  if (error)
    throw Error(ErrorCode::kRuntime,
                from.string() + ": cannot be copied to " + to.string() + " (" + error.message() + ")");
}

// A copy inside of what is copied would not end.
void refuse_inside(const fs::path& from, const fs::path& to) {
  const fs::path outer = fs::weakly_canonical(from), inner = fs::weakly_canonical(to);
  if (std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end())
    throw Error(ErrorCode::kUsage, to.string() + ": lies in the folder that is read; give another place");
}

}  // namespace

void copy_companions(const fs::path& from, const fs::path& to, const std::set<std::string>& without) {
  const std::set<fs::path> models = model_files(from);
  std::error_code error;
  for (fs::recursive_directory_iterator at(from, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool unwanted = name.starts_with(".") || (at.depth() == 0 && without.count(name));
    if (at->is_directory()) {
      if (unwanted) at.disable_recursion_pending();
      continue;
    }
    const fs::path relative = at->path().lexically_relative(from);
    if (unwanted || models.count(relative) || !at->is_regular_file()) continue;
    copy_one(at->path(), to / relative);
  }
  if (error) throw Error(ErrorCode::kRuntime, from.string() + ": cannot be listed (" + error.message() + ")");
}

void copy_model(const fs::path& from, const fs::path& to) {
  copy_one(from, to);
  for (const std::string& location : onnx::external_locations(from)) {
    const fs::path data = to.parent_path() / location;
    if (!fs::exists(data)) copy_one(from.parent_path() / location, data);
  }
}

void make_folder(const fs::path& from, const fs::path& to, const std::set<std::string>& without,
                 const std::function<void(const fs::path& folder)>& fill) {
  refuse_inside(from, to);
  loader::NewFolder folder(to);
  copy_companions(from, folder.path(), without);
  fill(folder.path());
  folder.commit();
}

void convert_folder(const fs::path& from, const fs::path& to, const ConvertFile& convert) {
  const std::vector<loader::OnnxFile> models = loader::list_onnx_files(from);
  if (models.empty())
    throw Error(ErrorCode::kInvalidModel, from.string() + ": no .onnx file in it nor in its onnx folder");
  make_folder(from, to, {}, [&](const fs::path& folder) {
    for (const loader::OnnxFile& model : models) {
      const fs::path out = folder / model.path.lexically_relative(from);
      fs::create_directories(out.parent_path());
      convert(model, out);
    }
  });
}

}  // namespace vulcap::conversion
