#include "loader/seeded_inputs.h"

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

#include "loader/image/preprocess.h"
#include "loader/read_json.h"
#include "loader/tensor_difference.h"
#include "runtime/core/error.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;
using core::Tensor;

// By the part of a symbol's name, the first that fits.
struct UsualSize {
  std::string_view part;
  int64_t size;
};
constexpr UsualSize kUsualSizes[] = {
    {"batch", 1}, {"channel", 3}, {"height", 224}, {"width", 224}, {"total", 4}, {"past", 3}, {"encoder", 4},
};

int64_t usual_size(std::string_view symbol, bool has_past) {
  for (const UsualSize& usual : kUsualSizes)
    if (symbol.find(usual.part) != std::string_view::npos) return usual.size;
  return has_past ? 1 : 4;
}

// Symbols of a dim, and the whole of it: exporters also write expressions that are one symbol.
std::vector<std::string> names_in(const core::Dim& dim) {
  const std::string text = dim.text();
  std::vector<std::string> names{text};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of("*+- ", begin), text.size());
    if (end > begin) names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

core::Shape drawn_shape(const graph::Value& value, const SymbolSizes& sizes) {
  core::Shape shape;
  if (!value.shape)
    throw Error(ErrorCode::kUsage, "input '" + value.name + "' declares no shape: give it by --inputs");
  for (const core::Dim& dim : *value.shape) {
    const core::Dim bound = dim.substitute(sizes);
    if (!bound.is_constant())
      throw Error(ErrorCode::kUsage, "input '" + value.name + "' is " + type_text(value) + ": give " +
                                         bound.text() + " by --dim");
    shape.push_back(bound.value());
  }
  return shape;
}

Tensor drawn(core::DType dtype, const core::Shape& shape, std::mt19937_64& generator) {
  Tensor tensor(dtype, shape);
  for (size_t i = 0; i < tensor.size(); ++i) {
    const uint64_t bits = generator();
    std::byte* data = tensor.mutable_bytes().data();
    if (core::dtype_is_float(dtype)) {
      ops::store_real(dtype, data, i, double(bits >> 11) * 0x1p-52 - 1);
    } else {
      ops::store_int(dtype, data, i, int64_t(bits >> 63));
    }
  }
  return tensor;
}

// Of the images that the folder's processor makes.
void add_image_size(const fs::path& model, SymbolSizes& sizes) {
  for (const fs::path& folder : {model.parent_path(), model.parent_path() / ".."}) {
    const fs::path path = folder / "preprocessor_config.json";
    if (!fs::exists(path)) continue;
    try {
      const auto config = image::parse_preprocess_config(read_json_object(path), path.string());
      const bool crops = config.do_center_crop;
      if (!crops && config.resize_rule != image::ResizeRule::kFixed) return;
      sizes.emplace(core::intern_symbol("height"), crops ? config.crop_height : config.target_height);
      sizes.emplace(core::intern_symbol("width"), crops ? config.crop_width : config.target_width);
    } catch (const Error&) {
      // of another kind of model
    }
    return;
  }
}

}  // namespace

std::string type_text(const graph::Value& value) {
  std::string text(core::dtype_name(value.dtype));
  if (!value.shape) return text + "[?]";
  text += "[";
  for (const core::Dim& dim : *value.shape) text += (text.back() == '[' ? "" : ",") + dim.text();
  return text + "]";
}

std::string inputs_text(const session::NamedTensors& inputs) {
  std::string text;
  for (const auto& [name, tensor] : inputs)
    text += (text.empty() ? "" : ", ") + name + " " + type_text(tensor);
  return text;
}

session::NamedTensors draw_inputs(const graph::Graph& graph, const SymbolSizes& sizes, uint64_t seed,
                                  session::NamedTensors inputs) {
  std::mt19937_64 generator(seed);
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    if (value.is_sequence || inputs.count(value.name)) continue;
    inputs[value.name] = drawn(value.dtype, drawn_shape(value, sizes), generator);
  }
  return inputs;
}

SymbolSizes with_usual_sizes(const graph::Graph& graph, SymbolSizes sizes, const fs::path& model) {
  if (!model.empty()) add_image_size(model, sizes);
  const bool has_past = std::any_of(graph.inputs.begin(), graph.inputs.end(), [&](graph::ValueId id) {
    return graph.value(id).name.find("past") != std::string::npos;
  });
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    if (!value.shape) continue;
    for (const core::Dim& dim : *value.shape) {
      if (dim.is_constant()) continue;
      for (const std::string& name : names_in(dim))
        sizes.emplace(core::intern_symbol(name), usual_size(name, has_past));
    }
  }
  return sizes;
}

}  // namespace vulcap::loader
