#include "loader/conversion/optimize/output_check.h"

#include <algorithm>

#include "loader/conversion/diff.h"
#include "loader/expected_inputs.h"
#include "loader/tensor_files.h"
#include "loader/verify/tolerance.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using core::DType;
using session::NamedTensors;

// One bool decides which branch of a merged decoder runs: each of its values is tried.
std::vector<NamedTensors> input_sets(const graph::Graph& graph, const fs::path& model,
                                     const CompareOptions& options) {
  if (options.given.empty() && options.sizes.empty()) {
    auto expected = loader::expected_inputs(graph, model);
    if (!expected.empty()) return expected;
  }
  const NamedTensors given = loader::read_inputs(graph, options.given);
  const auto sizes = loader::with_usual_sizes(graph, options.sizes, model);
  std::vector<NamedTensors> sets{loader::draw_inputs(graph, sizes, options.seed, given)};
  for (const graph::ValueId id : graph.inputs) {
    const std::string& name = graph.value(id).name;
    const auto value = sets[0].find(name);
    if (value == sets[0].end() || given.count(name)) continue;
    if (value->second.dtype() != DType::kBool || value->second.size() != 1) continue;
    std::vector<NamedTensors> both;
    for (const NamedTensors& set : sets) {
      for (const uint8_t flag : {0, 1}) {
        both.push_back(set);
        both.back()[name] = core::Tensor::from<uint8_t>(DType::kBool, value->second.shape(), {flag});
      }
    }
    sets = std::move(both);
  }
  return sets;
}

passes::PassOptions no_passes() {
  passes::PassOptions options;
  for (const passes::Pass& pass : passes::passes()) options.disabled.emplace_back(pass.name);
  return options;
}

void add(const AnswersDiff& answers, OutputCheck& check) {
  if (!answers.problem.empty()) throw core::Error(core::ErrorCode::kRuntime, answers.problem);
  for (const OutputDiff& output : answers.outputs) {
    const loader::TensorDifference& difference = output.difference;
    check.max_abs = std::max(check.max_abs, difference.max_abs);
    check.max_rel = std::max(check.max_rel, difference.max_rel);
    if (output.agrees || !check.mismatch.empty()) continue;
    check.mismatch = "'" + output.name + "' " +
                     (difference.mismatch.empty() ? "differs by " + std::to_string(difference.max_abs)
                                                  : difference.mismatch);
  }
  ++check.runs;
}

}  // namespace

OutputCheck compare_outputs(const graph::Graph& before, const graph::Graph& after, const fs::path& model,
                            const CompareOptions& options) {
  session::DeviceRequest request;
  request.device = "cpu";
  const session::OpenedDevice opened = session::open_device(request);
  const AnswerOptions answers{loader::tolerance(before), false, no_passes()};
  OutputCheck check;
  for (const NamedTensors& inputs : input_sets(before, model, options))
    add(compare_answers(before, after, inputs, *opened.device, answers), check);
  return check;
}

}  // namespace vulcap::conversion
