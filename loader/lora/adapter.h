// A LoRA adapter in PEFT's layout (adapter_config.json, adapter_model.safetensors), merged into a model's
// weights: W += scale * B A (Hu et al. 2021, "LoRA"), as PEFT's merge_and_unload does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loader/onnx/model_writer.h"
#include "runtime/core/tensor.h"

namespace vulcap::lora {

class Adapter {
 public:
  // Throws core::Error(kInvalidModel) beginning with the file's path: see LoraConfig and read_safetensors;
  // also tensors whose names have no meaning, A without B, shapes that disagree with the rank, numbers that
  // are not finite, modules that target_modules does not choose.
  static Adapter load(const std::filesystem::path& folder);

  struct Merged {
    onnx::TensorEdits edits;                     // the weights that changed, as they are now
    std::map<std::string, std::string> modules;  // the adapter's name -> the graph's
    std::vector<std::string> unmatched;          // modules that the graph lacks
  };
  // Changes the weights of `model`, read from the file `stem`.onnx. fp16 and bf16 weights are rounded once.
  // Weights that several nodes read are changed once; tied embeddings stay tied. Throws
  // core::Error(kInvalidModel): a weight of another shape, quantised, read in a way that has no layout, or
  // shared with a module that the adapter leaves alone; names that fit several modules.
  Merged merge_into(onnx::ModelDef& model, const std::string& stem) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  // What is added to a weight: scale * left * right, [rows, columns] of the parameter as PyTorch stores it:
  // [out, in] of a Linear, [out, in * kernel] of a convolution, [tokens, width] of an embedding.
  struct LowRank {
    bool embedding = false;
    double scale = 1;
    int64_t rows = 0, rank = 0, columns = 0;
    std::vector<double> left, right;
    std::vector<double> bias;  // of B, scaled; empty: none
  };
  struct Saved {
    std::string module, kind;  // "score", "weight"
    core::Tensor value;
  };

  class Reader;
  class Merger;

  std::set<std::string> modules() const;

  std::filesystem::path folder_;
  std::map<std::string, LowRank> low_rank_;  // by module
  std::vector<Saved> saved_;                 // parameters that are replaced
};

}  // namespace vulcap::lora
