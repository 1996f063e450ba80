// The weights of a model by the PyTorch parameters that they come from.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "loader/onnx/model.h"

namespace vulcap::lora {

// How a node reads a weight.
enum class Layout {
  kOutIn,      // [out, in, ...]: PyTorch's Linear and convolutions
  kInOut,      // [in, out]
  kTable,      // rows are looked up: embeddings
  kVector,     // added: a bias
  kQuantised,  // integers, or behind a DequantizeLinear
  kUnknown,
};

struct WeightReader {
  std::string module;  // "" where the exporter left no trace
  std::string op;
  Layout layout = Layout::kUnknown;
};

struct Weight {
  core::Tensor* tensor = nullptr;  // in the model
  std::string name;
  std::string place;  // see onnx::TensorEdits
  std::vector<WeightReader> readers;
};

class WeightIndex {
 public:
  // Keeps pointers into the model.
  explicit WeightIndex(onnx::ModelDef& model);

  // Weights of the parameter `module`.`kind`, kind "weight" or "bias". Several where branches of an If or
  // repeated calls of a module have copies of their own. By the weight's name; where no weight has it, by the
  // modules of the nodes that read weights.
  std::vector<size_t> find(const std::string& module, const std::string& kind) const;
  // Whether a weight is named after the parameter; it then lies as PyTorch stores it, unless it is a product
  // of onnxruntime-genai's builder (names that end in ".MatMul.weight").
  bool has_original_form(size_t weight) const { return original_.count(weight) > 0; }
  // Copies of an embedding that the output layer reads, or the other way round (tied weights that the
  // exporter stored twice): equal numbers, maybe transposed.
  std::vector<size_t> tied_copies(size_t weight) const;

  const Weight& operator[](size_t weight) const { return weights_[weight]; }
  // Modules that have a weight; a bias may go by another name.
  const std::set<std::string>& modules() const { return modules_; }

 private:
  class Walker;
  void add_parameter(std::map<std::string, std::vector<size_t>>& parameters, const std::string& module,
                     const std::string& kind, size_t weight);
  void index_by_name(size_t weight);
  void index_by_readers(size_t weight);

  std::vector<Weight> weights_;
  std::map<std::string, std::vector<size_t>> named_, read_;  // by "module.kind"
  std::set<size_t> original_;
  std::set<std::string> modules_;
};

// Whether `layout` is that of a matrix product or a convolution.
bool is_linear(Layout layout);

}  // namespace vulcap::lora
