#include "loader/conversion/card/model_facts.h"

#include <algorithm>
#include <set>

#include "loader/conversion/card/hub_task.h"
#include "loader/hub/names.h"
#include "loader/model_dir.h"
#include "loader/onnx/editable_model.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::card {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Sums up the tensors and domains of a graph and of the graphs inside it.
class Survey {
 public:
  Survey(const onnx::EditableModel& model, GraphFacts& facts) : model_(model), facts_(facts) {
    for (const auto& import : model.proto().opset_import()) versions_[import.domain()] = import.version();
  }

  void take(const ::onnx::GraphProto& graph) {
    for (const auto& tensor : graph.initializer()) take(tensor);
    for (const auto& node : graph.node()) take(node);
  }

  void take(const ::onnx::NodeProto& node) {
    const bool standard = node.domain().empty() || node.domain() == "ai.onnx";
    const auto version = versions_.find(node.domain());
    if (version != versions_.end()) facts_.opsets[standard ? "ai.onnx" : node.domain()] = version->second;
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_t()) take(attribute.t());
      if (attribute.has_g()) take(attribute.g());
      for (const auto& graph : attribute.graphs()) take(graph);
    }
  }

 private:
  void take(const ::onnx::TensorProto& tensor) {
    const core::Tensor& stored = model_.stored(tensor);
    facts_.weights[std::string(core::dtype_name(stored.dtype()))] += stored.bytes().size();
  }

  const onnx::EditableModel& model_;
  GraphFacts& facts_;
  std::map<std::string, int64_t> versions_;
};

GraphFacts read_graph(const fs::path& folder, const loader::OnnxFile& file) {
  const onnx::EditableModel model = onnx::EditableModel::read(file.path);
  GraphFacts facts;
  facts.file = file.path.lexically_relative(folder).generic_string();
  facts.dtype = file.dtype;
  facts.sources = model.sources();
  for (const fs::path& source : facts.sources) facts.bytes += fs::file_size(source);
  facts.producer = model.proto().producer_name();
  if (!model.proto().producer_version().empty()) facts.producer += " " + model.proto().producer_version();
  Survey survey(model, facts);
  survey.take(model.proto().graph());
  for (const auto& function : model.proto().functions())
    for (const auto& node : function.node()) survey.take(node);
  return facts;
}

std::string text_of(const json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

void read_config(const fs::path& folder, ModelFacts& facts) {
  if (!fs::exists(folder / "config.json")) return;
  const json config = loader::read_json_object(folder / "config.json");
  facts.model_type = text_of(config, "model_type");
  const std::string name = text_of(config, "_name_or_path");
  if (name.find('/') != name.npos && hub::is_repo_id(name) && !fs::exists(name)) facts.base_model = name;
  facts.task = hub_task(folder, config);
}

void read_about(const fs::path& folder, ModelFacts& facts) {
  if (!fs::exists(folder / "expected/about.json")) return;
  const json about = loader::read_json_object(folder / "expected/about.json");
  for (const auto& [key, value] : about.items()) {
    if (value.is_string()) facts.about.emplace_back(key, value.get<std::string>());
    if (value.is_number() || value.is_boolean()) facts.about.emplace_back(key, value.dump());
  }
}

// Without graphs, their weights, and the card itself.
std::vector<std::string> other_files(const fs::path& folder, const std::vector<GraphFacts>& graphs) {
  std::set<fs::path> of_graphs;
  for (const GraphFacts& graph : graphs) of_graphs.insert(graph.sources.begin(), graph.sources.end());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name.starts_with('.') || name == "README.md") continue;
    if (!of_graphs.count(entry.path())) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

ModelFacts read_facts(const fs::path& folder) {
  ModelFacts facts;
  for (const loader::OnnxFile& file : loader::list_onnx_files(folder))
    facts.graphs.push_back(read_graph(folder, file));
  if (facts.graphs.empty())
    throw core::Error(core::ErrorCode::kInvalidModel, folder.string() + ": has no .onnx file");
  read_config(folder, facts);
  read_about(folder, facts);
  facts.other_files = other_files(folder, facts.graphs);
  return facts;
}

}  // namespace vulcap::card
