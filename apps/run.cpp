#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "apps/cli/log.h"
#include "apps/commands.h"
#include "loader/onnx/import.h"
#include "loader/seeded_inputs.h"
#include "loader/tensor_files.h"
#include "runtime/core/error.h"
#include "runtime/passes/sequences.h"
#include "runtime/session/session.h"

namespace vulcap::apps {
namespace {

using Clock = std::chrono::steady_clock;
using core::Error;
using core::ErrorCode;
using core::Tensor;

struct Options {
  DeviceOptions device;
  std::string model;
  std::vector<std::string> inputs;
  std::vector<std::string> dims;
  std::optional<uint64_t> seed;
  std::string outputs;
  std::string format = "npy";
  std::string dtype = "auto";
  int rounds = 0;
};

session::NamedTensors all_inputs(const graph::Graph& graph, const Options& options) {
  session::NamedTensors inputs = loader::read_inputs(graph, options.inputs);
  const auto sizes = parse_dims(options.dims);
  if (options.seed) return loader::draw_inputs(graph, sizes, *options.seed, std::move(inputs));
  std::string missing;
  for (graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    if (inputs.count(value.name) || value.is_sequence) continue;  // a sequence may be empty
    missing += (missing.empty() ? "'" : ", '") + value.name + "' (" + loader::type_text(value) + ")";
  }
  if (!missing.empty())
    throw Error(ErrorCode::kUsage,
                "inputs without a value: " + missing + "; give them by --inputs, or --seed");
  return inputs;
}

void print_output(const std::string& name, const Tensor& tensor) {
  std::printf("%s %s%s", name.c_str(), std::string(core::dtype_name(tensor.dtype())).c_str(),
              core::shape_text(tensor.shape()).c_str());
  if (tensor.size() > 0) {
    double low = tensor.at_f64(0);
    double high = low;
    double sum = 0;
    for (size_t i = 0; i < tensor.size(); ++i) {
      const double value = tensor.at_f64(i);
      low = std::isnan(value) || value < low ? value : low;
      high = std::isnan(value) || value > high ? value : high;
      sum += value;
    }
    std::printf(" min %.7g max %.7g mean %.7g", low, high, sum / double(tensor.size()));
  }
  std::printf("\n");
}

void print_value(const graph::Value& value, const session::NamedTensors& outputs) {
  if (outputs.count(value.name)) return print_output(value.name, outputs.at(value.name));
  for (size_t i = 0; outputs.count(passes::element_name(value.name, i)); ++i)
    print_output(passes::element_name(value.name, i), outputs.at(passes::element_name(value.name, i)));
}

void report_host_calls(const session::Session& session) {
  std::map<std::string, int> reasons;
  for (const plan::Plan* plan : session.plans()) {
    for (const std::string& reason : plan->reasons) {
      if (!reason.empty()) ++reasons[reason];
    }
  }
  for (const auto& [reason, calls] : reasons)
    log_info("fallback to cpu: " + reason + " (" + std::to_string(calls) + " calls)");
}

void time_rounds(session::Session& session, const session::NamedTensors& inputs, int rounds) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = Clock::now();
    session.run(inputs);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%d runs: median %.3f ms, best %.3f ms\n", rounds, times[times.size() / 2], times.front());
}

int run(const Options& options) {
  const graph::Graph graph = onnx::load_graph(options.model);
  const session::NamedTensors inputs = all_inputs(graph, options);
  const session::OpenedDevice opened = options.device.open();
  passes::PassOptions passes;
  passes.half = options.dtype == "fp16";
  session::Session session(*opened.device, graph, passes);
  const auto begin = Clock::now();
  const session::NamedTensors outputs = session.run(inputs);
  char first_run[48];
  std::snprintf(first_run, sizeof first_run, "first run: %.1f ms",
                std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  log_detail(first_run);
  report_host_calls(session);
  if (options.rounds > 0) time_rounds(session, inputs, options.rounds);
  for (graph::ValueId id : graph.outputs) print_value(graph.value(id), outputs);
  if (!options.outputs.empty()) loader::write_tensors(options.outputs, options.format, outputs);
  return 0;
}

}  // namespace

Command add_run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Run any ONNX graph on given inputs");
  command->add_option("model", options->model, "FILE.onnx")->required();
  command
      ->add_option("--inputs", options->inputs,
                   "NAME=FILE (.npy or .pb), or a folder with NAME.npy, NAME.pb or input_K.pb")
      ->allow_extra_args(true);
  command->add_option("--outputs", options->outputs, "Folder to write every output to");
  command->add_option("--format", options->format, "Of written outputs: npy or pb (TensorProto)")
      ->check(CLI::IsMember({"npy", "pb"}))
      ->capture_default_str();
  command->add_option("--dtype", options->dtype, "fp16: run an fp32 graph in half precision")
      ->check(CLI::IsMember({"auto", "fp16"}))
      ->capture_default_str();
  command->add_option("-r,--rounds", options->rounds, "Timed repetitions after the first run");
  command->add_option("--seed", options->seed, "Draw inputs that are not given from this seed");
  command->add_option("--dim", options->dims, "Size of a symbolic dim of drawn inputs, NAME=SIZE")
      ->allow_extra_args(false);
  options->device.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
