#include "loader/tensor_files.h"

#include <algorithm>
#include <map>

#include "loader/npy.h"
#include "loader/onnx/model.h"
#include "loader/onnx/tensor_writer.h"
#include "runtime/core/error.h"

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
  if (graph.find_input(name) == graph::kNoValue)
    throw Error(ErrorCode::kUsage, "the graph has no input '" + name + "'; it has " + input_names(graph));
  inputs[name] = read_tensor(source.substr(equals + 1));
}

void read_folder(const graph::Graph& graph, const fs::path& folder, session::NamedTensors& inputs) {
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const std::string& name = graph.value(graph.inputs[i]).name;
    const std::string stem = file_stem(name);
    for (const std::string& file : {"input_" + std::to_string(i) + ".pb", stem + ".pb", stem + ".npy"}) {
      if (fs::exists(folder / file)) inputs[name] = read_tensor(folder / file);
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
