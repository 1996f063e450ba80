// From one vector a token to one a text: the Pooling module of sentence-transformers 5.1.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

namespace vulcap::loader {

enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLength, kWeightedMean, kLastToken };

struct PoolingConfig {
  std::vector<PoolingMode> modes = {PoolingMode::kMean};  // their results are put one behind the other
  bool include_prompt = true;                             // whether tokens of the prompt count
  int64_t width = 0;                                      // of a token's vector; 0: not stated
};

// Content of 1_Pooling/config.json. Throws core::Error(kInvalidModel) beginning with `file`: an unknown mode
// or field, a field of the wrong type, no mode at all.
PoolingConfig parse_pooling_config(const nlohmann::json& config, const std::string& file);

// `tokens` f32[length, width] with its attention mask; the first `prompt_length` tokens belong to the prompt.
std::vector<float> pool(std::span<const float> tokens, std::span<const int64_t> mask, int64_t prompt_length,
                        const PoolingConfig& config);

}  // namespace vulcap::loader
