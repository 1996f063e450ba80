#include "loader/conversion/optimize/optimize.h"

#include <algorithm>
#include <optional>

#include "loader/conversion/folder.h"
#include "loader/conversion/merge_initializers.h"
#include "loader/decoder_roles.h"
#include "loader/model_dir.h"
#include "loader/new_folder.h"
#include "loader/onnx/export.h"
#include "loader/onnx/external_locations.h"
#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/graph/prune.h"
#include "runtime/passes/fold_batch_norm.h"
#include "runtime/passes/hoist.h"
#include "runtime/passes/open_shapes.h"
#include "runtime/passes/partial_evaluation.h"
#include "runtime/passes/share_branches.h"

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

// A model in one part, or in two.
struct Parts {
  graph::Graph rest;                    // or all of it
  std::optional<graph::Graph> prelude;  // runs once an image
  std::vector<std::string> shared;      // outputs of the prelude and inputs of the rest
};

// Inputs that stay the same while a text grows; none of what is no decoder.
std::vector<std::string> invariant_inputs(const graph::Graph& graph) {
  try {
    const session::DecoderRoles roles = loader::find_decoder_roles(graph);
    std::vector<std::string> names;
    for (const std::string& name : {roles.states, roles.states_mask})
      if (!name.empty()) names.push_back(name);
    return names;
  } catch (const Error&) {
    return {};
  }
}

bool is_of_images(const std::string& name, bool with_text) {
  return name.starts_with("encoder_") || name.find(".encoder.") != std::string::npos ||
         (name == "pixel_values" && with_text);
}

// Files give all inputs of a decoder one batch, but rows that are beams of one image read one encoder output.
graph::Graph with_images_apart(graph::Graph graph) {
  const bool with_text = graph.find_input("input_ids") != graph::kNoValue;
  for (const graph::ValueId id : graph.inputs) {
    graph::Value& value = graph.value(id);
    const bool open = value.shape && !value.shape->empty() && !value.shape->front().is_constant();
    if (open && is_of_images(value.name, with_text))
      value.shape->front() = passes::one_or(value.shape->front());
  }
  return graph;
}

bool is_work(const graph::Node& node) {
  return node.op == "MatMul" || node.op == "Gemm" || node.op == "Conv" || node.op.starts_with("MatMulNBits");
}

// Views become Reshape again, and what follows from constants now is folded.
graph::Graph evaluated_again(graph::Graph graph, const onnx::Target& target) {
  onnx::express(graph, target);
  return passes::evaluate_partly(graph);
}

// Cuts off what follows from the encoder's output alone, where that is more than masks and sizes.
Parts split(graph::Graph graph, const std::vector<std::string>& invariant, const onnx::Target& target) {
  if (!invariant.empty() && passes::share_branches(graph) > 0)
    graph = evaluated_again(std::move(graph), target);
  passes::reveal(graph);
  if (invariant.empty()) return {std::move(graph), std::nullopt, {}};
  const auto flags = passes::invariant_values(graph, invariant);
  const std::vector<graph::ValueId> inputs = graph.inputs;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const bool is_input = std::find(inputs.begin(), inputs.end(), graph::ValueId(v)) != inputs.end();
    if (flags[v] && !is_input) graph.values[v].name = "prelude." + std::to_string(v);
  }
  passes::Hoisted parts = passes::hoist(graph, invariant);
  const auto& outputs = parts.prelude.outputs;
  const bool typed = std::all_of(outputs.begin(), outputs.end(), [&](graph::ValueId out) {
    return graph.value(out).dtype != core::DType::kUndefined;
  });
  const auto& nodes = parts.prelude.nodes;
  if (!typed || std::none_of(nodes.begin(), nodes.end(), is_work))
    return {std::move(graph), std::nullopt, {}};
  // Callers find the inputs that they know, read or not.
  std::vector<graph::ValueId> all = inputs;
  for (const graph::ValueId in : parts.rest.inputs)
    if (std::find(all.begin(), all.end(), in) == all.end()) all.push_back(in);
  parts.rest.inputs = all;
  graph::drop_unread_inputs(parts.prelude);
  return {std::move(parts.rest), std::move(parts.prelude), std::move(parts.shared)};
}

graph::Graph fused(graph::Graph graph, const onnx::Target& target) {
  passes::run_passes_with_branches(graph, {{"simplify", passes::simplify},
                                           {"fuse_activation", passes::fuse_activation},
                                           {"fuse_layer_norm", passes::fuse_layer_norm},
                                           {"fold_batch_norm", passes::fold_batch_norm}});
  return evaluated_again(std::move(graph), target);
}

Parts optimized_parts(const graph::Graph& graph, OptimizeLevel level, const onnx::Target& target) {
  graph::Graph result = passes::evaluate_partly(with_images_apart(graph));
  // What one round leaves equal, the next one merges.
  for (size_t nodes = SIZE_MAX; level >= OptimizeLevel::kFuse && passes::count_nodes(result) < nodes;) {
    nodes = passes::count_nodes(result);
    result = fused(std::move(result), target);
  }
  if (level == OptimizeLevel::kMicrosoft) return split(std::move(result), invariant_inputs(graph), target);
  passes::reveal(result);
  return {std::move(result), std::nullopt, {}};
}

// Writes `model`, which was read from a file, to `rest` and, where it is in two parts, `prelude`.
void write_optimized(const onnx::ModelDef& model, const graph::Graph& graph, const OptimizeOptions& options,
                     const Optimized& result, const fs::path& rest, const fs::path& prelude) {
  onnx::EditableModel edited = onnx::EditableModel::read(result.model);
  if (options.level == OptimizeLevel::kRewrite) return edited.write(rest);
  std::vector<std::string> outputs;
  for (const onnx::ValueInfo& info : model.graph.outputs) outputs.push_back(info.name);
  const bool microsoft = options.level == OptimizeLevel::kMicrosoft || uses_microsoft(model);
  const onnx::Target target{result.opset_after, microsoft, result.opset_before};
  const auto write = [&](const graph::Graph& part, const std::vector<std::string>& names,
                         const fs::path& to) {
    onnx::EditableModel one = edited;
    onnx::export_graph(part, names, target, one);
    merge_equal_initializers(one);
    one.write(to);
  };
  const Parts parts = optimized_parts(graph, options.level, target);
  write(parts.rest, outputs, rest);
  if (parts.prelude) write(*parts.prelude, parts.shared, prelude);
}

void check_outputs(const graph::Graph& before, const graph::Graph& after, const OptimizeOptions& options,
                   Optimized& result) {
  try {
    result.check = compare_outputs(before, after, result.model, options.inputs);
  } catch (const Error& error) {
    throw Error(error.code() == ErrorCode::kUsage ? ErrorCode::kUsage : ErrorCode::kRuntime,
                "the outputs cannot be compared: " + std::string(error.what()) +
                    "; give sizes by --dim or inputs by --inputs, or skip this by --no-check");
  }
  if (!result.check.mismatch.empty())
    throw Error(ErrorCode::kMismatch, "output " + result.check.mismatch +
                                          " after optimising; nothing was written; try a lower --level");
}

// The file `from` and its external data take their places in `folder`.
void move_model(const fs::path& from, const fs::path& folder, const fs::path& model) {
  const auto locations = onnx::external_locations(from);
  std::vector<std::string> names(locations.begin(), locations.end());
  names.push_back(from.filename().string());  // last, when all that it needs is there
  const std::vector<fs::path> sources = onnx::model_files(model);
  for (const std::string& name : names)
    for (const fs::path& source : sources) onnx::refuse_same_file(source, folder / name);
  for (const std::string& name : names) {
    std::error_code error;
    fs::rename(from.parent_path() / name, folder / name, error);
    if (error)
      throw Error(ErrorCode::kRuntime, (folder / name).string() + ": cannot be written: " + error.message());
  }
}

// Reads back what was written: its numbers, and whether it does what the model does.
void examine(const fs::path& rest, const fs::path& prelude, const graph::Graph& before,
             const OptimizeOptions& options, Optimized& result) {
  const onnx::ModelDef def = onnx::read_model(rest);
  result.after = onnx::census_of(def.graph);
  result.file_bytes_after = onnx::model_bytes(rest);
  graph::Graph graph = onnx::import_graph(def);
  if (fs::exists(prelude)) {
    const onnx::ModelDef first = onnx::read_model(prelude);
    result.prelude =
        Prelude{prelude.filename(), int(first.graph.nodes.size()), int(first.graph.outputs.size())};
    result.file_bytes_after += onnx::model_bytes(prelude);
    graph = passes::join_prelude(onnx::import_graph(first), graph);
  }
  if (options.check) check_outputs(before, graph, options, result);
}

Optimized optimize(const fs::path& model, const fs::path& out, const OptimizeOptions& options) {
  Optimized result;
  result.model = model;
  result.out = out;
  const onnx::ModelDef def = onnx::read_model(model);
  const graph::Graph graph = onnx::import_graph(def);
  result.before = onnx::census_of(def.graph);
  result.file_bytes_before = onnx::model_bytes(model);
  result.opset_before = opset_of(def);
  result.opset_after = target_opset(result.opset_before, options);
  if (const fs::path folder = out.parent_path(); !folder.empty() && !fs::is_directory(folder))
    throw Error(ErrorCode::kRuntime,
                out.string() + ": cannot be written: there is no folder " + folder.string());
  const loader::NewFolder scratch(out.string() + ".unchecked");
  const fs::path rest = scratch.path() / out.filename();
  const fs::path prelude = loader::prelude_path(rest);
  write_optimized(def, graph, options, result, rest, prelude);
  examine(rest, prelude, graph, options, result);
  // One that a former run left would be taken for a part of this model.
  if (std::error_code ignored; !result.prelude) fs::remove(loader::prelude_path(out), ignored);
  if (result.prelude) move_model(prelude, out.parent_path(), model);
  move_model(rest, out.parent_path(), model);
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
