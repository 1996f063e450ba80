// A layer behind the pooling: the Dense module of sentence-transformers 5.1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace vulcap::loader {

enum class Activation { kIdentity, kTanh, kRelu, kSigmoid, kGelu };

struct Dense {
  std::vector<float> weight;  // f32[out, in]
  std::vector<float> bias;    // f32[out]; empty: none
  size_t in = 0, out = 0;
  Activation activation = Activation::kTanh;
};

// Reads config.json and model.safetensors of the module's folder. Throws core::Error(kInvalidModel): an
// activation that is not known, weights that are missing or of another shape.
Dense load_dense(const std::filesystem::path& folder);

// activation(weight * input + bias). Throws core::Error(kInvalidModel) when the input's width is another.
std::vector<float> apply_dense(const Dense& dense, std::span<const float> input);

}  // namespace vulcap::loader
