#include "loader/conversion/optimize/optimize.h"

#include <algorithm>

#include "loader/conversion/folder.h"
#include "loader/conversion/merge_initializers.h"
#include "loader/new_folder.h"
#include "loader/onnx/export.h"
#include "loader/onnx/external_locations.h"
#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/passes/partial_evaluation.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

// Gelu is an operator of ai.onnx from here on.
constexpr int64_t kFusedOpset = 20;
// The newest that released runtimes read.
constexpr int64_t kNewestOpset = 25;

int64_t opset_of(const onnx::ModelDef& model) {
  const auto entry = model.opsets.find("");
  return entry == model.opsets.end() ? 1 : entry->second;
}

int64_t target_opset(int64_t own, const OptimizeOptions& options) {
  const auto refuse = [](const std::string& why) { throw Error(ErrorCode::kUsage, "--opset: " + why); };
  if (options.level == OptimizeLevel::kRewrite) {
    if (options.opset != 0 && options.opset != own)
      refuse("level 0 keeps the model's opset " + std::to_string(own) + "; choose --level 1 or higher");
    return own;
  }
  if (options.opset == 0)
    return std::max(own, options.level == OptimizeLevel::kFold ? onnx::kOldestWrittenOpset : kFusedOpset);
  if (options.opset < onnx::kOldestWrittenOpset || options.opset > kNewestOpset)
    refuse("must be " + std::to_string(onnx::kOldestWrittenOpset) + " to " + std::to_string(kNewestOpset));
  if (options.opset < own) refuse("the model is of opset " + std::to_string(own) + " and cannot be lowered");
  return options.opset;
}

bool uses_microsoft(const onnx::ModelDef& model) {
  const auto& operators = onnx::census_of(model.graph).operators;
  return std::any_of(operators.begin(), operators.end(),
                     [](const auto& item) { return item.first.starts_with("com.microsoft."); });
}

graph::Graph optimized_graph(const graph::Graph& graph, OptimizeLevel level) {
  graph::Graph result = passes::evaluate_partly(graph);
  if (level >= OptimizeLevel::kFuse) {
    passes::run_passes_with_branches(result, {{"simplify", passes::simplify},
                                              {"fuse_activation", passes::fuse_activation},
                                              {"fuse_layer_norm", passes::fuse_layer_norm},
                                              {"fuse_conv", passes::fuse_conv}});
    result = passes::evaluate_partly(result);
  }
  passes::reveal(result);
  return result;
}

void change(onnx::EditableModel& edited, const onnx::ModelDef& model, const graph::Graph& graph,
            const OptimizeOptions& options, int64_t opset) {
  std::vector<std::string> outputs;
  for (const onnx::ValueInfo& info : model.graph.outputs) outputs.push_back(info.name);
  const bool microsoft = options.level == OptimizeLevel::kMicrosoft || uses_microsoft(model);
  onnx::export_graph(optimized_graph(graph, options.level), outputs, opset, microsoft, edited);
  merge_equal_initializers(edited);
}

uint64_t bytes_of(const fs::path& model) {
  uint64_t bytes = fs::file_size(model);
  for (const std::string& location : onnx::external_locations(model))
    bytes += fs::file_size(model.parent_path() / location);
  return bytes;
}

void check_outputs(const graph::Graph& before, const graph::Graph& after, const OptimizeOptions& options,
                   Optimized& result) {
  try {
    result.check = compare_outputs(before, after, options.inputs);
  } catch (const Error& error) {
    throw Error(ErrorCode::kRuntime,
                "the outputs cannot be compared: " + std::string(error.what()) +
                    "; give sizes by --dim or inputs by --inputs, or skip this by --no-check");
  }
  if (!result.check.mismatch.empty())
    throw Error(ErrorCode::kMismatch, "output " + result.check.mismatch +
                                          " after optimising; nothing was written; try a lower --level");
}

// The files of the model in `from` take their place beside `out`.
void move_model(const fs::path& from, const fs::path& out, const std::vector<fs::path>& sources) {
  const auto locations = onnx::external_locations(from);
  std::vector<std::string> names(locations.begin(), locations.end());
  names.push_back(from.filename().string());  // last, when all that it needs is there
  for (const std::string& name : names)
    for (const fs::path& source : sources) onnx::refuse_same_file(source, out.parent_path() / name);
  for (const std::string& name : names) {
    std::error_code error;
    fs::rename(from.parent_path() / name, out.parent_path() / name, error);
    if (error)
      throw Error(ErrorCode::kRuntime,
                  (out.parent_path() / name).string() + ": cannot be written: " + error.message());
  }
}

Optimized optimize(const fs::path& model, const fs::path& out, const OptimizeOptions& options) {
  Optimized result;
  result.model = model;
  result.out = out;
  const onnx::ModelDef def = onnx::read_model(model);
  const graph::Graph graph = onnx::import_graph(def);
  onnx::EditableModel edited = onnx::EditableModel::read(model);
  result.before = onnx::census_of(def.graph);
  result.opset_before = opset_of(def);
  result.opset_after = target_opset(result.opset_before, options);
  if (options.level != OptimizeLevel::kRewrite) change(edited, def, graph, options, result.opset_after);
  const loader::NewFolder scratch(out.string() + ".unchecked");
  const fs::path written = scratch.path() / out.filename();
  edited.write(written);
  {
    const onnx::ModelDef after = onnx::read_model(written);
    result.after = onnx::census_of(after.graph);
    if (options.check) check_outputs(graph, onnx::import_graph(after), options, result);
  }
  result.file_bytes_before = bytes_of(model);
  result.file_bytes_after = bytes_of(written);
  move_model(written, out, edited.sources());
  return result;
}

}  // namespace

Optimized optimize_file(const fs::path& model, const fs::path& out, const OptimizeOptions& options) {
  onnx::refuse_same_file(model, out);
  try {
    return optimize(model, out, options);
  } catch (Error& error) {
    const std::string text = error.what();
    if (text.starts_with(model.string()) || text.starts_with(out.string()) || text.starts_with("--")) throw;
    error.add_context(model.string());
    throw;
  }
}

std::vector<Optimized> optimize_folder(const fs::path& folder, const fs::path& out,
                                       const OptimizeOptions& options) {
  std::vector<Optimized> results;
  convert_folder(folder, out, [&](const loader::OnnxFile& file, const fs::path& to) {
    results.push_back(optimize_file(file.path, to, options));
    results.back().out = out / fs::relative(file.path, folder);
  });
  return results;
}

}  // namespace vulcap::conversion
