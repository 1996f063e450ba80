// A graph of a model folder that is loaded when it is first run, so that what only embeds text never reads
// the image's weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/families/model_folder.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

class LazyGraph {
 public:
  // `outputs`: all that is computed; empty: every output. `role` names the graph in descriptions.
  LazyGraph(OnnxFile file, std::string role, session::Device& device, const LoadOptions& options,
            std::vector<std::string> outputs = {});

  // Loads the graph; later calls return at once. Throws core::Error(kInvalidModel).
  const graph::Graph& graph();
  // The declared input; null where there is none.
  const graph::Value* input(const std::string& name);
  // `inputs` as f32 and i64 become what the graph declares, and those it does not declare are left out.
  // Throws core::Error(kInvalidModel) for an input that is not among them.
  session::NamedTensors run(const session::NamedTensors& inputs);

  // Those that were asked for; empty: every one.
  const std::vector<std::string>& outputs() const { return outputs_; }
  std::string description() const { return describe_file(role_, file_, options_); }
  const std::filesystem::path& path() const { return file_.path; }
  // In the plans of the last run.
  Fallbacks fallbacks() const;

 private:
  OnnxFile file_;
  std::string role_;
  session::Device& device_;
  LoadOptions options_;
  std::vector<std::string> outputs_;
  std::unique_ptr<session::Session> session_;
};

// Of those graphs that a family has opened.
using LazyGraphs = std::vector<const std::optional<LazyGraph>*>;
std::vector<std::string> descriptions_of(const LazyGraphs& graphs);
Fallbacks fallbacks_of(const LazyGraphs& graphs);

}  // namespace vulcap::loader
