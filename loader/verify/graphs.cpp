#include "loader/verify/graphs.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "loader/families/model_folder.h"
#include "loader/model_dir.h"
#include "loader/read_json.h"
#include "loader/tensor_difference.h"
#include "loader/verify/tolerance.h"
#include "runtime/core/error.h"
#include "runtime/session/session.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;

// How far ONNX Runtime's optimised run is from its plain one, when expected/about.json says so.
double stated_spread(const fs::path& dir, const std::string& stem) {
  const fs::path path = dir / "expected" / "about.json";
  if (!fs::exists(path)) return 0;
  const nlohmann::json about = read_json_object(path);
  const auto variants = about.find("variants");
  if (variants == about.end() || !variants->is_object() || !variants->contains(stem)) return 0;
  const nlohmann::json& variant = (*variants)[stem];
  return variant.is_object() ? variant.value("onnxruntime_optimised_against_unoptimised", 0.0) : 0.0;
}

std::vector<fs::path> sorted_children(const fs::path& dir) {
  std::vector<fs::path> result;
  if (fs::is_directory(dir)) {
    for (const auto& entry : fs::directory_iterator(dir)) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

session::NamedTensors read_set(const fs::path& set, const std::string& prefix) {
  session::NamedTensors tensors;
  for (const fs::path& file : sorted_children(set)) {
    if (!file.filename().string().starts_with(prefix)) continue;
    onnx::Initializer item = onnx::read_tensor_file(file);
    tensors[item.name] = std::move(item.tensor);
  }
  return tensors;
}

// A share of the range and an absolute difference; the larger holds.
struct Allowed {
  double share = 0, difference = 0;
};

void compare(const core::Tensor& got, const core::Tensor& want, const Allowed& allowed, VerifyRow& row) {
  const TensorDifference found = difference(got, want);
  row.note = found.mismatch;
  row.max_abs = found.max_abs;
  row.max_rel = found.max_rel;
  const bool close = row.max_rel <= allowed.share || row.max_abs <= allowed.difference;
  row.pass = row.note.empty() && (core::dtype_is_float(want.dtype()) ? close : row.max_abs == 0);
}

void verify_set(session::Session& session, const fs::path& set, const Allowed& allowed,
                const std::string& subject, const OnRow& on_row) {
  VerifyRow row;
  row.subject = subject;
  try {
    const auto expected = read_set(set, "output_");
    if (expected.empty())
      throw core::Error(core::ErrorCode::kInvalidModel, set.string() + " holds no output_*.pb");
    const auto outputs = session.run(read_set(set, "input_"));
    for (const auto& [name, want] : expected) {
      VerifyRow item = row;
      item.output = name;
      const auto got = outputs.find(name);
      if (got == outputs.end()) {
        item.note = "the graph has no such output";
      } else {
        compare(got->second, want, allowed, item);
      }
      on_row(item);
    }
  } catch (const core::Error& error) {
    row.note = error.message();
    on_row(row);
  }
}

// `name` is the subject of the rows.
void verify_graph(const std::string& name, const OnnxFile& file, const fs::path& sets,
                  session::Device& device, double spread, const VerifyOptions& options, const OnRow& on_row) {
  try {
    const graph::Graph graph = load_graph(file, options.load);
    passes::PassOptions passes = options.load.passes;
    passes.half = DtypeRequest(options.load.dtype).converts_to_half(file);
    const Allowed allowed{tolerance(graph, passes.half || file.dtype.find("16") != std::string::npos),
                          spread};
    session::Session session(device, graph, passes);
    for (const fs::path& set : sorted_children(sets)) {
      const std::string number = set.filename().string();
      if (!number.starts_with("test_data_set_")) continue;
      verify_set(session, set, allowed, name + "/" + number.substr(14), on_row);
    }
  } catch (const core::Error& error) {
    VerifyRow row;
    row.subject = name;
    row.note = error.message();
    on_row(row);
  }
}

bool wanted(const OnnxFile& file, const LoadOptions& load) {
  return DtypeRequest(load.dtype).rank(file).has_value();
}

// A graph that only the expected answers come with, like one with an adapter merged:
// expected/merged/model.onnx answers for the sets model_merged*.
std::optional<OnnxFile> reference_graph(const fs::path& dir, const std::string& name) {
  for (const fs::path& folder : sorted_children(dir / "expected")) {
    for (const fs::path& file :
         fs::is_directory(folder) ? sorted_children(folder) : std::vector<fs::path>{}) {
      const std::string start = file.stem().string() + "_" + folder.filename().string();
      if (file.extension() == ".onnx" && name.starts_with(start)) return OnnxFile{file, name, "fp32"};
    }
  }
  return std::nullopt;
}

// The sets model_merged* hold answers of model.onnx with the folder's adapter in its weights.
bool verify_merged(const fs::path& dir, const std::map<std::string, OnnxFile>& files, const fs::path& sets,
                   session::Device& device, const VerifyOptions& options, const OnRow& on_row) {
  const std::string name = sets.filename().string();
  const auto base = files.find(name.substr(0, name.rfind("_merged")));
  VerifyOptions merged = options;
  merged.load.adapter = options.adapter.empty() ? dir / "adapter" : options.adapter;
  if (base == files.end() || !fs::exists(merged.load.adapter / "adapter_config.json")) return false;
  verify_graph(base->first + "+adapter", base->second, sets, device, 0, merged, on_row);
  return true;
}

}  // namespace

int verify_graphs(const fs::path& dir, session::Device& device, const VerifyOptions& options,
                  const OnRow& on_row) {
  std::map<std::string, OnnxFile> files;
  for (const OnnxFile& file : list_onnx_files(dir)) files.emplace(file.path.stem().string(), file);
  int graphs = 0;
  for (const fs::path& sets : sorted_children(dir / "expected" / "graphs")) {
    const std::string name = sets.filename().string();
    if (!files.count(name)) {
      graphs += verify_merged(dir, files, sets, device, options, on_row);
      if (auto file = reference_graph(dir, name)) files.emplace(name, std::move(*file));
    }
    const auto file = files.find(name);
    if (file != files.end() && !wanted(file->second, options.load)) continue;
    ++graphs;
    if (file == files.end()) {
      VerifyRow row;
      row.subject = name;
      row.note = "the folder has expected answers for this graph but no such .onnx file";
      on_row(row);
      continue;
    }
    verify_graph(name, file->second, sets, device, stated_spread(dir, name), options, on_row);
  }
  return graphs;
}

}  // namespace vulcap::loader
