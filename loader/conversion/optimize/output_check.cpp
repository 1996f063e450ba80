#include "loader/conversion/optimize/output_check.h"

#include <algorithm>

#include "loader/tensor_difference.h"
#include "loader/tensor_files.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"

namespace vulcap::conversion {
namespace {

using core::DType;
using session::NamedTensors;

// One bool decides which branch of a merged decoder runs: each of its values is tried.
std::vector<NamedTensors> input_sets(const graph::Graph& graph, const CheckOptions& options) {
  const NamedTensors given = loader::read_inputs(graph, options.given);
  const auto sizes = loader::with_usual_sizes(graph, options.sizes);
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

double bound_of(DType dtype) {
  if (dtype == DType::kF16 || dtype == DType::kBF16) return 1e-2;
  return core::dtype_is_float(dtype) ? 1e-4 : 0;
}

void compare(const NamedTensors& got, const NamedTensors& want, OutputCheck& check) {
  for (const auto& [name, expected] : want) {
    const auto found = got.find(name);
    if (found == got.end()) {
      check.mismatch = "'" + name + "' is missing";
      return;
    }
    const loader::TensorDifference difference = loader::difference(found->second, expected);
    check.max_abs = std::max(check.max_abs, difference.max_abs);
    check.max_rel = std::max(check.max_rel, difference.max_rel);
    if (!difference.mismatch.empty()) check.mismatch = "'" + name + "': " + difference.mismatch;
    if (difference.max_rel > bound_of(expected.dtype()))
      check.mismatch = "'" + name + "' differs by " + std::to_string(difference.max_abs);
    if (!check.mismatch.empty()) return;
  }
}

passes::PassOptions no_passes() {
  passes::PassOptions options;
  for (const passes::Pass& pass : passes::passes()) options.disabled.emplace_back(pass.name);
  return options;
}

}  // namespace

OutputCheck compare_outputs(const graph::Graph& before, const graph::Graph& after,
                            const CheckOptions& options) {
  session::DeviceRequest request;
  request.device = "cpu";
  const session::OpenedDevice opened = session::open_device(request);
  const std::vector<NamedTensors> sets = input_sets(before, options);
  std::vector<NamedTensors> expected;
  {
    session::Session session(*opened.device, before, no_passes());
    for (const NamedTensors& inputs : sets) expected.push_back(session.run(inputs));
  }
  OutputCheck check;
  session::Session session(*opened.device, after, no_passes());
  for (size_t i = 0; i < sets.size() && check.mismatch.empty(); ++i) {
    compare(session.run(sets[i]), expected[i], check);
    ++check.runs;
  }
  return check;
}

}  // namespace vulcap::conversion
