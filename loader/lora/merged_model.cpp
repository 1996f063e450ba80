#include "loader/lora/merged_model.h"

#include <algorithm>

#include "loader/model_dir.h"
#include "runtime/core/error.h"

namespace vulcap::lora {
namespace {

namespace fs = std::filesystem;

// The first few, and how many there are.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? text + ", ... (" + std::to_string(names.size()) + " in all)" : text;
}

}  // namespace

Adapter::Merged merge(const Adapter& adapter, const fs::path& path, onnx::ModelDef& model) {
  try {
    return adapter.merge_into(model, path.stem().string());
  } catch (core::Error& error) {
    error.add_context(adapter.folder().string() + " into " + path.string());
    throw;
  }
}

void fail_unmatched(const fs::path& model, const Adapter& adapter, const std::vector<std::string>& names,
                    const std::string& advice) {
  throw core::Error(core::ErrorCode::kInvalidModel,
                    adapter.folder().string() + " into " + model.string() +
                        ": the model has no weights of these modules: " + listed(names) + advice);
}

onnx::ModelDef read_merged_model(const fs::path& path, const fs::path& adapter_folder) {
  const Adapter adapter = Adapter::load(adapter_folder);
  onnx::ModelDef model = onnx::read_model(path);
  std::vector<std::string> missing = merge(adapter, path, model).unmatched;
  if (missing.empty()) return model;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (const loader::OnnxFile& file : loader::list_onnx_files(folder)) {
    if (missing.empty() || fs::equivalent(file.path, path)) continue;
    onnx::ModelDef other = onnx::read_model(file.path);
    const std::vector<std::string> lacking = merge(adapter, file.path, other).unmatched;
    std::erase_if(missing, [&](const std::string& name) {
      return std::find(lacking.begin(), lacking.end(), name) == lacking.end();
    });
  }
  if (!missing.empty()) fail_unmatched(path, adapter, missing, "; is it the right adapter?");
  return model;
}

Adapter::Merged write_merged_model(const fs::path& path, const fs::path& adapter_folder, const fs::path& out,
                                   bool partial) {
  const Adapter adapter = Adapter::load(adapter_folder);
  onnx::ModelDef model = onnx::read_model(path);
  Adapter::Merged merged = merge(adapter, path, model);
  if (merged.modules.empty() || (!partial && !merged.unmatched.empty())) {
    fail_unmatched(path, adapter, merged.unmatched,
                   merged.modules.empty() ? "; is it the right adapter?"
                                          : "; --partial merges the others, for a model in several files");
  }
  onnx::rewrite_model(path, merged.edits, out);
  return merged;
}

}  // namespace vulcap::lora
