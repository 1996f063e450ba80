#include "loader/conversion/quantization/output_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "loader/expected_inputs.h"
#include "loader/families/encoder_inputs.h"
#include "loader/image/decode.h"
#include "loader/onnx/import.h"
#include "loader/read_json.h"
#include "loader/seeded_inputs.h"
#include "loader/tensor_difference.h"
#include "runtime/core/error.h"
#include "runtime/session/session.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;
using session::NamedTensors;

// Sizes of symbols as the given inputs have them.
loader::SymbolSizes sizes_of(const graph::Graph& graph, const NamedTensors& given) {
  loader::SymbolSizes sizes;
  for (const auto& [name, tensor] : given) {
    const graph::ValueId id = graph.find_input(name);
    const auto& shape = graph.value(id).shape;
    for (size_t axis = 0; shape && axis < std::min(shape->size(), tensor.shape().size()); ++axis) {
      if (!(*shape)[axis].is_constant())
        sizes.emplace(core::intern_symbol((*shape)[axis].text()), tensor.shape()[axis]);
    }
  }
  return sizes;
}

double mean_square(const core::Tensor& tensor) {
  double sum = 0;
  for (size_t i = 0; i < tensor.size(); ++i) sum += tensor.at_f64(i) * tensor.at_f64(i);
  return tensor.size() == 0 ? 0 : sum / double(tensor.size());
}

class Comparison {
 public:
  Comparison(const fs::path& dir, const conversion::Samples* samples, session::Device& device)
      : dir_(dir), samples_(samples), device_(device) {}

  void add(const FileResult& file) {
    const std::string graph = file.in.stem().string();
    try {
      compare(graph, file);
    } catch (const core::Error& error) {
      errors_.push_back({graph, "", 0, 0, error.message(), before_ran_});
    }
  }

  std::vector<OutputError> errors() { return std::move(errors_); }

 private:
  void compare(const std::string& name, const FileResult& file) {
    before_ran_ = false;
    session::Session before(device_, onnx::load_graph(file.in));
    std::optional<session::Session> after;
    std::map<std::string, OutputError> rows;
    std::map<std::string, double> squares;
    for (const NamedTensors& inputs : inputs_for(file.in, before.graph())) {
      const NamedTensors want = before.run(inputs);
      before_ran_ = true;
      if (!after) after.emplace(device_, onnx::load_graph(file.out));
      const NamedTensors got = after->run(inputs);
      if (const auto states = want.find("last_hidden_state"); states != want.end()) states_ = states->second;
      for (const auto& [output, tensor] : want) {
        OutputError& row = rows.try_emplace(output, OutputError{name, output}).first->second;
        const loader::TensorDifference moved = loader::difference(got.at(output), tensor);
        if (!moved.mismatch.empty()) row.note = moved.mismatch;
        row.max_abs = std::max(row.max_abs, moved.max_abs);
        row.relative += moved.rms * moved.rms;
        squares[output] += mean_square(tensor);
      }
    }
    for (auto& [output, row] : rows) {
      if (row.relative > 0) row.relative = std::sqrt(row.relative / squares[output]);
      errors_.push_back(std::move(row));
    }
  }

  std::vector<NamedTensors> inputs_for(const fs::path& model, const graph::Graph& graph) {
    std::vector<NamedTensors> all = loader::expected_inputs(graph, model);
    if (!all.empty()) return all;
    NamedTensors given = known_inputs(graph);
    const loader::SymbolSizes sizes = loader::with_usual_sizes(graph, sizes_of(graph, given), model);
    return {loader::draw_inputs(graph, sizes, 0, std::move(given))};
  }

  // Those that the model's other graphs and the samples give.
  NamedTensors known_inputs(const graph::Graph& graph) {
    NamedTensors given;
    if (graph.find_input("pixel_values") != graph::kNoValue) {
      if (auto pixels = first_pixels(graph)) given = std::move(*pixels);
    }
    const graph::ValueId states = graph.find_input("encoder_hidden_states");
    if (states_ && states != graph::kNoValue && graph.value(states).dtype == states_->dtype())
      given["encoder_hidden_states"] = *states_;
    return given;
  }

  // None where the folder does not say how, or its processor is one of the few that are not known.
  std::optional<NamedTensors> first_pixels(const graph::Graph& graph) const {
    if (samples_ == nullptr || !samples_->are_images()) return std::nullopt;
    const fs::path settings = dir_ / "preprocessor_config.json";
    try {
      const auto config =
          image::parse_preprocess_config(loader::read_json_object(settings), settings.string(), "");
      const image::PixelValues pixels = image::preprocess(image::decode_file((*samples_)[0]), config);
      return loader::encoder_inputs(graph, {&pixels, 1}, config);
    } catch (const core::Error&) {
      return std::nullopt;
    }
  }

  const fs::path& dir_;
  const conversion::Samples* samples_;
  session::Device& device_;
  std::vector<OutputError> errors_;
  bool before_ran_ = false;             // the original of the pair at hand, at least once
  std::optional<core::Tensor> states_;  // that the image or text encoder gave last
};

}  // namespace

std::vector<OutputError> output_errors(const std::vector<FileResult>& files, const fs::path& dir,
                                       const conversion::Samples* samples, session::Device& device) {
  std::vector<const FileResult*> order;
  for (const FileResult& file : files) order.push_back(&file);
  // Encoders first: decoders read what they give.
  std::stable_partition(order.begin(), order.end(), [](const FileResult* file) {
    return file->in.stem().string().find("encoder") != std::string::npos;
  });
  Comparison comparison(dir, samples, device);
  for (const FileResult* file : order) comparison.add(*file);
  return comparison.errors();
}

}  // namespace vulcap::quantization
