#include "loader/hub/file_choice.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// "1_Pooling", "2_Dense": modules of sentence-transformers.
bool is_module_folder(std::string_view folder) { return is_digits(folder.substr(0, folder.find('_'))); }

bool is_settings_file(const fs::path& path) {
  static const std::set<std::string> kinds = {".json", ".txt", ".model", ".jinja", ".spm", ".bpe", ".vocab"};
  static const std::set<std::string> others = {"requirements.txt", "LICENSE.txt"};
  const std::string name = path.filename().string();
  if (!kinds.count(path.extension().string()) || others.count(name)) return false;
  return !name.ends_with(".index.json");
}

bool is_wanted_beside_graphs(const fs::path& path) {
  const std::string folder = path.parent_path().generic_string();
  if (folder.empty() || folder == "additional_chat_templates") return is_settings_file(path);
  if (folder.find('/') != folder.npos || !is_module_folder(folder)) return false;
  return is_settings_file(path) || path.filename() == "model.safetensors";
}

bool is_graph(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return path.extension() == ".onnx" && (folder.empty() || folder == "onnx");
}

struct Choice {
  loader::OnnxFile file;
  size_t rank = 0;
};

// The best variant of each stem.
std::map<std::string, Choice> best_of_each(const std::vector<loader::OnnxFile>& graphs,
                                           const loader::DtypeRequest& dtype) {
  std::map<std::string, Choice> best;
  for (const loader::OnnxFile& graph : graphs) {
    const auto rank = dtype.rank(graph);
    if (!rank) continue;
    const auto [at, is_new] = best.try_emplace(graph.stem, Choice{graph, *rank});
    if (!is_new && *rank < at->second.rank) at->second = {graph, *rank};
  }
  return best;
}

// Stems that the dtype names stay.
void drop_replaced(std::map<std::string, Choice>& best, const loader::DtypeRequest& dtype) {
  constexpr std::string_view kMerged = "_merged";
  std::set<std::string> replaced;
  for (const auto& [stem, choice] : best) {
    if (stem.starts_with("model_") && best.count("model")) replaced.insert(stem);
    if (!stem.ends_with(kMerged)) continue;
    const std::string plain = stem.substr(0, stem.size() - kMerged.size());  // "decoder_model"
    std::string with_past = plain;
    if (const size_t model = plain.rfind("_model"); model != plain.npos)
      with_past.insert(model, "_with_past");
    for (const std::string& part : {plain, with_past}) {
      const auto found = best.find(part);
      if (found != best.end() && found->second.rank >= choice.rank) replaced.insert(part);
    }
  }
  for (const std::string& stem : dtype.stems()) replaced.erase(stem);
  for (const std::string& stem : replaced) best.erase(stem);
}

[[noreturn]] void fail_without_graphs(const std::vector<loader::OnnxFile>& graphs,
                                      const loader::DtypeRequest& dtype) {
  std::set<std::string> there;
  for (const loader::OnnxFile& graph : graphs) there.insert(graph.dtype);
  std::string list;
  for (const std::string& one : there) list += (list.empty() ? "" : ", ") + one;
  throw core::Error(core::ErrorCode::kInvalidModel,
                    graphs.empty() ? "no .onnx file in it nor in its onnx folder; look for a repository with "
                                     "an ONNX export of the model"
                                   : "no .onnx file" + dtype.suffix_for_errors() + "; there are " + list);
}

}  // namespace

std::vector<std::string> choose_files(const std::vector<std::string>& names,
                                      const loader::DtypeRequest& dtype) {
  std::vector<loader::OnnxFile> graphs;
  std::set<std::string> chosen;
  for (const std::string& name : names) {
    if (is_graph(name)) graphs.push_back(loader::describe_onnx_file(name));
    if (is_wanted_beside_graphs(name)) chosen.insert(name);
  }
  std::map<std::string, Choice> best = best_of_each(graphs, dtype);
  if (best.empty()) fail_without_graphs(graphs, dtype);
  drop_replaced(best, dtype);
  for (const auto& [stem, choice] : best) {
    const std::string graph = choice.file.path.generic_string();
    for (const std::string& name : names)
      if (name.starts_with(graph)) chosen.insert(name);  // itself, graph.onnx_data, graph.onnx.data
  }
  return {chosen.begin(), chosen.end()};
}

}  // namespace vulcap::hub
