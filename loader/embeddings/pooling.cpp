#include "loader/embeddings/pooling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

struct Mode {
  std::string_view field;  // pooling_mode_<field>: true
  std::string_view name;   // pooling_mode: name
  PoolingMode mode;
};

// In the order in which results are put together.
constexpr std::array kModes = {
    Mode{"cls_token", "cls", PoolingMode::kCls},
    Mode{"max_tokens", "max", PoolingMode::kMax},
    Mode{"mean_tokens", "mean", PoolingMode::kMean},
    Mode{"mean_sqrt_len_tokens", "mean_sqrt_len_tokens", PoolingMode::kMeanSqrtLength},
    Mode{"weightedmean_tokens", "weightedmean", PoolingMode::kWeightedMean},
    Mode{"lasttoken", "lasttoken", PoolingMode::kLastToken},
};
constexpr std::string_view kPrefix = "pooling_mode_";
constexpr double kSmallestSum = 1e-9;
constexpr float kMaskedOut = -1e9f;

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw core::Error(core::ErrorCode::kInvalidModel, file + ": " + what);
}

std::string known_modes() {
  std::string names;
  for (const Mode& mode : kModes) names += (names.empty() ? "" : ", ") + std::string(mode.name);
  return names;
}

bool read_flag(const nlohmann::json& config, const std::string& key, bool fallback, const std::string& file) {
  const auto found = config.find(key);
  if (found == config.end()) return fallback;
  if (!found->is_boolean()) fail(file, "\"" + key + "\" must be true or false, not " + found->dump());
  return found->get<bool>();
}

void check_fields(const nlohmann::json& config, const std::string& file) {
  for (const auto& [key, value] : config.items()) {
    if (key == "word_embedding_dimension" || key == "include_prompt" || key == "pooling_mode") continue;
    const bool known = std::any_of(kModes.begin(), kModes.end(), [&](const Mode& mode) {
      return key == std::string(kPrefix) + std::string(mode.field);
    });
    if (!known) fail(file, "\"" + key + "\" is not known; pooling modes are " + known_modes());
  }
}

// "pooling_mode" decides alone; else the flags do, of which mean is on unless it is switched off.
std::vector<PoolingMode> read_modes(const nlohmann::json& config, const std::string& file) {
  std::vector<PoolingMode> modes;
  const auto named = config.find("pooling_mode");
  const bool by_name = named != config.end() && !named->is_null();
  for (const Mode& mode : kModes) {
    const bool is_on = by_name ? *named == mode.name
                               : read_flag(config, std::string(kPrefix) + std::string(mode.field),
                                           mode.mode == PoolingMode::kMean, file);
    if (is_on) modes.push_back(mode.mode);
  }
  if (!modes.empty()) return modes;
  if (by_name) fail(file, "\"pooling_mode\": " + named->dump() + " is not known; use " + known_modes());
  fail(file, "no pooling mode is on; switch one on: " + known_modes());
}

// One text's tokens with what counts of them.
struct Tokens {
  std::span<const float> values;
  std::vector<bool> counts;
  size_t width;

  std::span<const float> at(size_t token) const { return values.subspan(token * width, width); }
  size_t length() const { return counts.size(); }
};

std::vector<float> pool_max(const Tokens& tokens) {
  std::vector<float> result(tokens.width, kMaskedOut);
  for (size_t t = 0; t < tokens.length(); ++t) {
    for (size_t i = 0; tokens.counts[t] && i < tokens.width; ++i) {
      result[i] = std::max(result[i], tokens.at(t)[i]);
    }
  }
  return result;
}

// Weights are 1, or 1, 2, 3 ... by position.
std::vector<float> pool_mean(const Tokens& tokens, PoolingMode mode) {
  std::vector<double> sums(tokens.width, 0);
  double weights = 0;
  for (size_t t = 0; t < tokens.length(); ++t) {
    if (!tokens.counts[t]) continue;
    const double weight = mode == PoolingMode::kWeightedMean ? double(t + 1) : 1;
    weights += weight;
    for (size_t i = 0; i < tokens.width; ++i) sums[i] += weight * double(tokens.at(t)[i]);
  }
  weights = std::max(weights, kSmallestSum);
  const double divisor = mode == PoolingMode::kMeanSqrtLength ? std::sqrt(weights) : weights;
  std::vector<float> result;
  for (double sum : sums) result.push_back(float(sum / divisor));
  return result;
}

std::vector<float> pool_last(const Tokens& tokens) {
  const auto last = std::find(tokens.counts.rbegin(), tokens.counts.rend(), true);
  if (last == tokens.counts.rend()) return std::vector<float>(tokens.width, 0.0f);
  const auto row = tokens.at(size_t(tokens.counts.rend() - last) - 1);
  return {row.begin(), row.end()};
}

std::vector<float> pool_one(const Tokens& tokens, PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls: {
      const auto first = tokens.at(0);
      return {first.begin(), first.end()};
    }
    case PoolingMode::kMax:
      return pool_max(tokens);
    case PoolingMode::kLastToken:
      return pool_last(tokens);
    default:
      return pool_mean(tokens, mode);
  }
}

}  // namespace

PoolingConfig parse_pooling_config(const nlohmann::json& config, const std::string& file) {
  check_fields(config, file);
  PoolingConfig result;
  result.modes = read_modes(config, file);
  result.include_prompt = read_flag(config, "include_prompt", true, file);
  const auto width = config.find("word_embedding_dimension");
  if (width != config.end()) {
    if (!width->is_number_integer() || *width < 1) {
      fail(file, "\"word_embedding_dimension\" must be a positive whole number, not " + width->dump());
    }
    result.width = width->get<int64_t>();
  }
  return result;
}

std::vector<float> pool(std::span<const float> values, std::span<const int64_t> mask, int64_t prompt_length,
                        const PoolingConfig& config) {
  if (mask.empty()) throw core::Error(core::ErrorCode::kRuntime, "a text without tokens has no embedding");
  Tokens tokens{values, {}, values.size() / mask.size()};
  for (size_t t = 0; t < mask.size(); ++t) {
    tokens.counts.push_back(mask[t] != 0 && (config.include_prompt || int64_t(t) >= prompt_length));
  }
  std::vector<float> result;
  for (PoolingMode mode : config.modes) {
    const std::vector<float> part = pool_one(tokens, mode);
    result.insert(result.end(), part.begin(), part.end());
  }
  return result;
}

}  // namespace vulcap::loader
