#include "loader/conversion/merge_lora.h"

#include <algorithm>
#include <set>

#include "loader/conversion/folder.h"
#include "loader/lora/merged_model.h"
#include "loader/onnx/model_writer.h"
#include "runtime/core/error.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using loader::OnnxFile;

bool is_float(const OnnxFile& file) { return file.dtype == "fp32" || file.dtype == "fp16"; }

class FolderMerger {
 public:
  FolderMerger(const fs::path& folder, const fs::path& adapter)
      : folder_(folder), adapter_(lora::Adapter::load(adapter)), files_(loader::list_onnx_files(folder)) {
    if (files_.empty())
      throw core::Error(core::ErrorCode::kInvalidModel,
                        folder.string() + ": no .onnx file in it nor in its onnx folder");
    // Variants in floating point first: what becomes of the others follows from them.
    std::stable_partition(files_.begin(), files_.end(), is_float);
  }

  std::vector<MergedFile> run(const fs::path& out) {
    make_folder(folder_, out, companions_to_leave_out(), [&](const fs::path& made) {
      for (const OnnxFile& file : files_) results_.push_back(merge(file, made));
      if (!missing_.empty())
        lora::fail_unmatched(folder_, adapter_, {missing_.begin(), missing_.end()},
                             "; is it the right adapter?");
    });
    return std::move(results_);
  }

 private:
  std::set<std::string> companions_to_leave_out() const {
    std::set<std::string> names{"expected"};
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder_, ignored))
      if (fs::equivalent(entry.path(), adapter_.folder(), ignored))
        names.insert(entry.path().filename().string());
    return names;
  }

  MergedFile merge(const OnnxFile& file, const fs::path& made) {
    MergedFile result{file.path.lexically_relative(folder_), 0, 0, {}};
    const fs::path out = made / result.name;
    if (!is_float(file) && merged_stems_.count(file.stem)) {
      result.left_out = "is quantised; quantise the merged model again";
      return result;
    }
    onnx::ModelDef model = onnx::read_model(file.path);
    const lora::Adapter::Merged merged = lora::merge(adapter_, file.path, model);
    note_missing(merged.unmatched);
    result.modules = merged.modules.size();
    result.weights = merged.edits.size();
    if (result.modules == 0) {
      copy_model(file.path, out);
      return result;
    }
    merged_stems_.insert(file.stem);
    fs::create_directories(out.parent_path());
    onnx::rewrite_model(file.path, merged.edits, out);
    return result;
  }

  // Keeps those modules that no file had so far.
  void note_missing(const std::vector<std::string>& unmatched) {
    const std::set<std::string> lacking(unmatched.begin(), unmatched.end());
    if (is_first_) missing_ = lacking;
    if (!is_first_)
      std::erase_if(missing_, [&](const std::string& module) { return !lacking.count(module); });
    is_first_ = false;
  }

  fs::path folder_;
  lora::Adapter adapter_;
  std::vector<OnnxFile> files_;
  std::set<std::string> missing_;  // modules that none of the files that were read has
  bool is_first_ = true;
  std::set<std::string> merged_stems_;
  std::vector<MergedFile> results_;
};

}  // namespace

std::vector<MergedFile> merge_folder(const fs::path& folder, const fs::path& adapter, const fs::path& out) {
  return FolderMerger(folder, adapter).run(out);
}

}  // namespace vulcap::conversion
