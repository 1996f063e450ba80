// Quantisation of files and of model folders.
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "loader/conversion/folder.h"
#include "loader/conversion/quantization/quantize.h"
#include "loader/model_dir.h"
#include "loader/onnx/external_locations.h"
#include "loader/onnx/model.h"
#include "runtime/core/error.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;
using loader::OnnxFile;

onnx::WriteOptions write_options(const fs::path& out) {
  onnx::WriteOptions options;
  options.data_name = out.filename().string() + "_data";
  return options;
}

[[noreturn]] void fail_unmatched(const std::string& context, const std::string& pattern) {
  throw Error(ErrorCode::kUsage, context + "nothing that can be quantised is called " + pattern +
                                     " (a node, weight, operator or module); vulcap inspect lists the nodes");
}

// Of a model that is to be quantised by itself.
void check_changes(const Changes& changes, Format to) {
  if (!changes.unmatched.empty()) fail_unmatched("", changes.unmatched.front());
  if (changes.nodes > 0) return;
  const std::string reason =
      changes.kept.empty() ? "" : ": " + changes.kept[0].node + " stays, " + changes.kept[0].reason;
  throw Error(ErrorCode::kInvalidModel,
              "has nothing that " + std::string(format_name(to)) + " changes" + reason);
}

FileResult convert(const fs::path& in, const fs::path& out, const Options& options,
                   const std::function<void(const Changes&)>& check) {
  FileResult result{in, out, options.to, 0, 0, {}};
  try {
    onnx::read_model(in);  // says what is wrong with it
    result.bytes_before = onnx::model_bytes(in);
    onnx::EditableModel model = onnx::EditableModel::read(in);
    result.changes = quantize_model(model, options);
    check(result.changes);
    model.write(out, write_options(out));
  } catch (Error& error) {
    const std::string path = in.string();
    if (error.message().starts_with(path) || error.message().starts_with(out.string())) throw;
    throw error.add_context(path);
  }
  result.bytes_after = onnx::model_bytes(out);
  return result;
}

struct Job {
  OnnxFile file;
  std::optional<Format> format;           // none: stays as it is
  std::vector<std::string> exclude = {};  // besides that of all files
};

// The longest module that a stem begins with; null: none does.
const ModuleFormat* module_of(const std::string& stem, const FolderOptions& options,
                              std::set<std::string>& used) {
  const ModuleFormat* best = nullptr;
  for (const ModuleFormat& module : options.modules) {
    if (!stem.starts_with(module.module)) continue;
    used.insert(module.module);
    if (best == nullptr || module.module.size() > best->module.size()) best = &module;
  }
  return best;
}

// The file of a stem to start from: of fp32, or of fp16 where the format takes that.
const OnnxFile* source_of(const std::vector<OnnxFile>& variants, std::optional<Format> format) {
  const auto of = [&](std::string_view dtype) -> const OnnxFile* {
    const auto found = std::find_if(variants.begin(), variants.end(),
                                    [&](const OnnxFile& file) { return file.dtype == dtype; });
    return found == variants.end() ? nullptr : &*found;
  };
  const OnnxFile* full = of("fp32");
  const bool takes_half = !format || format == Format::kQ4F16 || format == Format::kBnb4;
  return full != nullptr || !takes_half ? full : of("fp16");
}

[[noreturn]] void fail_without_source(const fs::path& dir, const std::string& stem, const Format& format) {
  throw Error(ErrorCode::kUsage, dir.string() + ": " + stem +
                                     ".onnx is not there, only quantised forms of it; " +
                                     std::string(format_name(format)) + " starts from fp32");
}

std::vector<Job> plan_jobs(const fs::path& dir, const FolderOptions& options) {
  std::map<std::pair<fs::path, std::string>, std::vector<OnnxFile>> variants;
  for (const OnnxFile& file : loader::list_onnx_files(dir))
    variants[{file.path.parent_path(), file.stem}].push_back(file);
  if (variants.empty())
    throw Error(ErrorCode::kInvalidModel, dir.string() + ": no .onnx file in it nor in its onnx folder");
  std::vector<Job> jobs;
  std::set<std::string> used;
  for (const auto& [place, files] : variants) {
    const ModuleFormat* module = module_of(place.second, options, used);
    const std::optional<Format> format = module != nullptr ? module->format : options.to;
    const OnnxFile* source = source_of(files, format);
    if (source == nullptr && format) fail_without_source(dir, place.second, *format);
    if (source == nullptr) continue;
    jobs.push_back({*source, format});
    if (module != nullptr) jobs.back().exclude = module->exclude;
  }
  std::set<std::string> seen;
  for (const ModuleFormat& module : options.modules) {
    if (!used.count(module.module))
      throw Error(ErrorCode::kUsage, dir.string() + ": no file belongs to module " + module.module);
    if (!seen.insert(module.module).second)
      throw Error(ErrorCode::kUsage, "module " + module.module + " is given two formats");
  }
  return jobs;
}

// Converts the files of one folder: a pattern must match in one of them.
class FolderConversion {
 public:
  FolderConversion(fs::path dir, const std::vector<Job>& jobs, const FolderOptions& options)
      : dir_(std::move(dir)), options_(options) {
    for (const Job& job : jobs) left_ += job.format.has_value();
  }

  // Into `folder`; `place` is what the result says.
  void convert(const Job& job, const fs::path& folder, const fs::path& place) {
    const std::string name = job.file.stem + format_suffix(*job.format) + ".onnx";
    Options options = options_.modules.empty() ? options_.options : fitted(options_.options, *job.format);
    options.to = *job.format;
    options.exclude.insert(options.exclude.end(), job.exclude.begin(), job.exclude.end());
    results_.push_back(quantization::convert(job.file.path, folder / name, options, [](const Changes&) {}));
    results_.back().out = place / name;
    if (--left_ == 0) check_patterns();
  }

  const std::vector<FileResult>& results() const { return results_; }

 private:
  void check_patterns() const {
    std::map<std::string, size_t> missed;
    for (const FileResult& result : results_)
      for (const std::string& pattern : result.changes.unmatched)
        if (++missed[pattern] == results_.size()) fail_unmatched(dir_.string() + ": ", pattern);
  }

  fs::path dir_;
  const FolderOptions& options_;
  size_t left_ = 0;
  std::vector<FileResult> results_;
};

std::vector<FileResult> beside(const fs::path& dir, const std::vector<Job>& jobs,
                               const FolderOptions& options) {
  FolderConversion conversion(dir, jobs, options);
  try {
    for (const Job& job : jobs)
      if (job.format) conversion.convert(job, job.file.path.parent_path(), job.file.path.parent_path());
  } catch (...) {
    std::error_code ignored;
    for (const FileResult& result : conversion.results())
      for (const fs::path& file : onnx::model_files(result.out)) fs::remove(file, ignored);
    throw;
  }
  return conversion.results();
}

std::vector<FileResult> into_new_folder(const fs::path& dir, const fs::path& out,
                                        const std::vector<Job>& jobs, const FolderOptions& options) {
  FolderConversion conversion(dir, jobs, options);
  conversion::convert_folder(dir, out, [&](const OnnxFile& file, const fs::path& place) {
    const auto job =
        std::find_if(jobs.begin(), jobs.end(), [&](const Job& item) { return item.file.path == file.path; });
    if (job == jobs.end()) return;
    if (!job->format) return onnx::EditableModel::read(file.path).write(place, write_options(place));
    conversion.convert(*job, place.parent_path(),
                       (out / file.path.parent_path().lexically_relative(dir)).lexically_normal());
  });
  return conversion.results();
}

}  // namespace

FileResult quantize_file(const fs::path& in, const fs::path& out, const Options& options) {
  return convert(in, out, options, [&](const Changes& changes) { check_changes(changes, options.to); });
}

std::vector<FileResult> quantize_folder(const fs::path& dir, const fs::path& out,
                                        const FolderOptions& options) {
  const std::vector<Job> jobs = plan_jobs(dir, options);
  return out.empty() ? beside(dir, jobs, options) : into_new_folder(dir, out, jobs, options);
}

}  // namespace vulcap::quantization
