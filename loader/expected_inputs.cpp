#include "loader/expected_inputs.h"

#include <algorithm>
#include <system_error>

#include "loader/tensor_files.h"

namespace vulcap::loader {

namespace fs = std::filesystem;

std::vector<session::NamedTensors> expected_inputs(const graph::Graph& graph, const fs::path& model) {
  std::vector<fs::path> found;
  for (const fs::path& folder : {model.parent_path(), model.parent_path() / ".."}) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder / "expected" / "graphs" / model.stem(), none))
      if (entry.path().filename().string().starts_with("test_data_set_")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  std::vector<session::NamedTensors> sets;
  for (const fs::path& set : found) {
    sets.push_back(read_inputs(graph, {set.string()}));
    if (sets.back().size() != graph.inputs.size()) return {};  // of another export
  }
  return sets;
}

}  // namespace vulcap::loader
