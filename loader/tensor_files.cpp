#include "loader/tensor_files.h"

#include <algorithm>
#include <map>

#include "loader/npy.h"
#include "loader/onnx/model.h"
#include "loader/onnx/tensor_reader.h"
#include "loader/onnx/tensor_writer.h"
#include "loader/open_regular.h"
#include "runtime/core/error.h"
#include "runtime/passes/sequences.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

std::string input_names(const graph::Graph& graph) {
  std::string text;
  for (graph::ValueId id : graph.inputs) text += (text.empty() ? "'" : ", '") + graph.value(id).name + "'";
  return text.empty() ? "none" : text;
}

void read_pair(const graph::Graph& graph, const std::string& source, size_t equals,
               session::NamedTensors& inputs) {
  const std::string name = source.substr(0, equals);
  const graph::ValueId id = graph.find_input(name);
  if (id == graph::kNoValue)
    throw Error(ErrorCode::kUsage, "the graph has no input '" + name + "'; it has " + input_names(graph));
  read_value(graph.value(id), source.substr(equals + 1), inputs);
}

// input_K.pb is the input that the tensor in it is named after, else the graph's input K.
void read_numbered(const graph::Graph& graph, size_t index, const fs::path& file,
                   session::NamedTensors& inputs) {
  const graph::Value& value = graph.value(graph.inputs[index]);
  if (value.is_sequence) return read_value(value, file, inputs);
  onnx::Initializer stored = onnx::read_tensor_file(file);
  const bool named = graph.find_input(stored.name) != graph::kNoValue;
  inputs[named ? stored.name : value.name] = std::move(stored.tensor);
}

void read_folder(const graph::Graph& graph, const fs::path& folder, session::NamedTensors& inputs) {
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const graph::Value& value = graph.value(graph.inputs[i]);
    const std::string stem = file_stem(value.name);
    const fs::path numbered = folder / ("input_" + std::to_string(i) + ".pb");
    if (fs::exists(numbered)) read_numbered(graph, i, numbered, inputs);
    for (const std::string& file : {stem + ".pb", stem + ".npy"}) {
      if (fs::exists(folder / file)) read_value(value, folder / file, inputs);
    }
  }
}

}  // namespace

core::Tensor read_tensor(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".npy") return read_npy(path);
  if (extension == ".pb") return onnx::read_tensor_file(path).tensor;
  throw Error(ErrorCode::kInvalidModel, path.string() + ": is neither .npy nor .pb");
}

std::vector<core::Tensor> read_sequence(const fs::path& path) {
  constexpr uint32_t kTensorValues = 3;  // of SequenceProto, onnx-data.proto
  const auto file = open_regular(path);
  std::vector<core::Tensor> elements;
  try {
    onnx::TensorReader tensors(file);
    onnx::WireReader reader(file->bytes());
    while (reader.next()) {
      if (reader.field() == kTensorValues) elements.push_back(tensors.read(reader.message()).tensor);
    }
  } catch (Error& error) {
    error.add_context(path.string());
    throw;
  }
  return elements;
}

void read_value(const graph::Value& value, const fs::path& path, session::NamedTensors& tensors) {
  if (!value.is_sequence) {
    tensors[value.name] = read_tensor(path);
    return;
  }
  const std::vector<core::Tensor> elements = read_sequence(path);
  for (size_t i = 0; i < elements.size(); ++i) tensors[passes::element_name(value.name, i)] = elements[i];
}

session::NamedTensors read_inputs(const graph::Graph& graph, const std::vector<std::string>& sources) {
  session::NamedTensors inputs;
  for (const std::string& source : sources) {
    const size_t equals = source.find('=');
    if (fs::is_directory(source)) {
      read_folder(graph, source, inputs);
    } else if (equals != std::string::npos) {
      read_pair(graph, source, equals, inputs);
    } else {
      throw Error(ErrorCode::kUsage, "--inputs takes a folder or NAME=FILE, not '" + source + "'");
    }
  }
  return inputs;
}

std::string file_stem(const std::string& name) {
  std::string stem = name;
  std::replace_if(
      stem.begin(), stem.end(),
      [](unsigned char c) {
        return c < ' ' || c == 0x7f ||
               std::string_view("/\\:*?\"<>| ").find(char(c)) != std::string_view::npos;
      },
      '_');
  if (stem.empty() || stem[0] == '.') stem.insert(0, "_");
  return stem;
}

void write_tensors(const fs::path& folder, const std::string& extension,
                   const session::NamedTensors& tensors) {
  std::map<std::string, std::string> owners;
  for (const auto& [name, tensor] : tensors) {
    const auto [other, inserted] = owners.emplace(file_stem(name), name);
    if (!inserted)
      throw Error(ErrorCode::kRuntime, "outputs '" + other->second + "' and '" + name +
                                           "' would both be written to " + other->first + "." + extension);
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(ErrorCode::kRuntime, folder.string() + ": " + error.message());
  for (const auto& [stem, name] : owners) {
    const fs::path path = folder / (stem + "." + extension);
    if (extension == "npy") {
      write_npy(path, tensors.at(name));
    } else {
      onnx::write_tensor_file(path, name, tensors.at(name));
    }
  }
}

}  // namespace vulcap::loader
