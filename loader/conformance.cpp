#include "loader/conformance.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "loader/onnx/import.h"
#include "loader/onnx/scope.h"
#include "loader/tensor_difference.h"
#include "loader/tensor_files.h"
#include "runtime/core/error.h"
#include "runtime/passes/sequences.h"
#include "runtime/session/session.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;
using core::Tensor;
using Status = ConformanceResult::Status;

std::vector<fs::path> data_sets(const fs::path& test) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::directory_iterator(test)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_"))
      result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

fs::path tensor_file(const fs::path& set, const char* role, size_t index) {
  return set / (std::string(role) + "_" + std::to_string(index) + ".pb");
}

// Dropout trains when its switch is on in the data.
bool trains(const onnx::Scope& scope, const fs::path& set) {
  return std::any_of(scope.training_inputs.begin(), scope.training_inputs.end(), [&](size_t position) {
    const fs::path file = tensor_file(set, "input", position);
    if (!fs::exists(file)) return false;
    const Tensor value = onnx::read_tensor_file(file).tensor;
    return value.size() > 0 && value.at_i64(0) != 0;
  });
}

bool close(double got, double want, const Tolerance& tolerance) {
  if (got == want || (std::isnan(got) && std::isnan(want))) return true;
  return std::abs(got - want) <= tolerance.atol + tolerance.rtol * std::abs(want) && std::isfinite(want);
}

std::string number(const Tensor& tensor, size_t index) {
  if (core::dtype_is_float(tensor.dtype())) {
    char text[32];
    std::snprintf(text, sizeof text, "%.7g", tensor.at_f64(index));
    return text;
  }
  return std::to_string(tensor.at_i64(index));
}

std::string difference(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return "is " + type_text(got) + ", expected " + type_text(want);
  const bool real = core::dtype_is_float(want.dtype());
  size_t first = 0;
  size_t different = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const bool same =
        real ? close(got.at_f64(i), want.at_f64(i), tolerance) : got.at_i64(i) == want.at_i64(i);
    if (!same && different++ == 0) first = i;
  }
  if (different == 0) return {};
  return "at " + std::to_string(first) + " is " + number(got, first) + ", expected " + number(want, first) +
         " (" + std::to_string(different) + " of " + std::to_string(want.size()) + " differ)";
}

bool is_random(const graph::Graph& graph) {
  static const std::set<std::string, std::less<>> kRandom{
      "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"};
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const graph::Node& node) { return kRandom.count(node.op) > 0; });
}

// The file of a graph input or output. ONNX before 1.13 wrote bfloat16 data as uint16.
session::NamedTensors read_declared(const graph::Value& value, const fs::path& file) {
  session::NamedTensors tensors;
  read_value(value, file, tensors);
  for (auto& [name, tensor] : tensors) {
    if (value.dtype != core::DType::kBF16 || tensor.dtype() != core::DType::kU16) continue;
    Tensor retyped(value.dtype, tensor.shape());
    std::copy(tensor.bytes().begin(), tensor.bytes().end(), retyped.mutable_bytes().begin());
    tensor = std::move(retyped);
  }
  return tensors;
}

session::NamedTensors read_inputs(const graph::Graph& graph, const fs::path& set) {
  session::NamedTensors inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const fs::path file = tensor_file(set, "input", i);
    if (fs::exists(file)) inputs.merge(read_declared(graph.value(graph.inputs[i]), file));
  }
  return inputs;
}

void compare_output(const std::string& name, const Tensor& got, const Tensor& want, bool random,
                    const Tolerance& tolerance) {
  const bool same_type = got.shape() == want.shape() && got.dtype() == want.dtype();
  const std::string text = random && same_type ? "" : difference(got, want, tolerance);
  if (!text.empty()) throw Error(ErrorCode::kMismatch, "output '" + name + "' " + text);
}

// Throws for the first output that is not as expected.
void run_set(session::Session& session, const std::vector<onnx::ValueInfo>& declared, const fs::path& set,
             const Tolerance& tolerance) {
  const graph::Graph& graph = session.graph();
  const session::NamedTensors outputs = session.run(read_inputs(graph, set));
  const bool random = is_random(graph);
  for (size_t i = 0; i < declared.size(); ++i) {
    const fs::path file = tensor_file(set, "output", i);
    if (!fs::exists(file)) continue;
    graph::Value value;
    value.name = declared[i].name;
    value.dtype = declared[i].dtype;
    value.is_sequence = declared[i].is_sequence;
    const session::NamedTensors expected = read_declared(value, file);
    for (const auto& [name, want] : expected) {
      const auto got = outputs.find(name);
      if (got == outputs.end()) throw Error(ErrorCode::kMismatch, "output '" + name + "' is missing");
      compare_output(name, got->second, want, random, tolerance);
    }
    if (value.is_sequence && outputs.count(passes::element_name(value.name, expected.size())))
      throw Error(ErrorCode::kMismatch, "output '" + value.name + "' has more than " +
                                            std::to_string(expected.size()) + " elements");
  }
}

std::vector<std::string> host_calls(const session::Session& session) {
  std::set<std::string> texts;
  for (const plan::Plan* plan : session.plans()) {
    for (size_t i = 0; i < plan->calls.size(); ++i) {
      if (plan->on_host[i])
        texts.insert(std::string(ops::kernels()[plan->calls[i].kernel].name) + ": " + plan->reasons[i]);
    }
  }
  return {texts.begin(), texts.end()};
}

void run(const fs::path& test, session::Device& device, const Tolerance& tolerance,
         ConformanceResult& result) {
  const onnx::ModelDef model = onnx::read_model(test / "model.onnx");
  const onnx::Scope scope = onnx::model_scope(model);
  const std::vector<fs::path> sets = data_sets(test);
  result.reason = scope.excluded.empty() && trains(scope, sets.front()) ? "training" : scope.excluded;
  if (!result.reason.empty()) {
    result.status = Status::kSkipped;
    return;
  }
  session::Session session(device, onnx::import_graph(model));
  try {
    for (const fs::path& set : sets) run_set(session, model.graph.outputs, set, tolerance);
    result.status = Status::kPassed;
  } catch (const Error& error) {
    result.reason = error.message();
  }
  result.host_calls = host_calls(session);
}

}  // namespace

std::vector<fs::path> find_conformance_tests(const fs::path& root) {
  std::vector<fs::path> result;
  const auto consider = [&](const fs::path& folder) {
    if (fs::is_regular_file(folder / "model.onnx") && !data_sets(folder).empty()) result.push_back(folder);
  };
  if (!fs::is_directory(root))
    throw Error(ErrorCode::kInvalidModel, root.string() + ": there is no such folder");
  consider(root);
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_directory()) consider(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

ConformanceResult run_conformance_test(const fs::path& test, session::Device& device,
                                       const Tolerance& tolerance) {
  ConformanceResult result;
  try {
    run(test, device, tolerance, result);
  } catch (const Error& error) {
    // Errors of a load begin with the file, which the caller knows.
    const std::string path = (test / "model.onnx").string() + ": ";
    result.reason = error.message().starts_with(path) ? error.message().substr(path.size()) : error.message();
  }
  return result;
}

}  // namespace vulcap::loader
