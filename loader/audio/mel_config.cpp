#include <algorithm>
#include <nlohmann/json.hpp>

#include "loader/audio/mel_features.h"
#include "runtime/core/error.h"

namespace vulcap::audio {
namespace {

using nlohmann::json;

struct SizeField {
  std::string_view name;
  int64_t MelConfig::*member;
  int64_t most;
};

constexpr SizeField kSizes[] = {
    {"feature_size", &MelConfig::feature_size, 1024},
    {"sampling_rate", &MelConfig::sampling_rate, 192000},
    {"hop_length", &MelConfig::hop_length, 65536},
    {"chunk_length", &MelConfig::chunk_length, 300},
    {"n_fft", &MelConfig::n_fft, 4096},
};

// The extractor derives n_samples, nb_max_frames and mel_filters from the fields above, whatever the file
// says, and reads do_normalize and return_attention_mask from its caller alone.
constexpr std::string_view kNeutral[] = {
    "feature_extractor_type",
    "processor_class",
    "n_samples",
    "nb_max_frames",
    "mel_filters",
    "padding_side",
    "padding_value",
    "do_normalize",
    "return_attention_mask",
    "return_tensors",
    "device",
    "_name_or_path",
    "dither",
    "transformers_version",
    "auto_map",
};

template <typename Table, typename Name>
bool lists(const Table& table, const Name& name) {
  return std::find(std::begin(table), std::end(table), std::string_view(name)) != std::end(table);
}

class Reader {
 public:
  Reader(const json& file, std::string_view name) : file_(file), name_(name) {}

  MelConfig read() {
    if (!file_.is_object()) fail("must hold a JSON object");
    require("feature_extractor_type", "WhisperFeatureExtractor");
    require("padding_side", "right");
    for (const SizeField& field : kSizes) config_.*field.member = size(field);
    config_.padding_value = number("padding_value");
    if (number("dither") != 0) warn("dither is ignored: it adds random noise");
    for (const auto& [key, value] : file_.items()) {
      const auto named = [&](const SizeField& field) { return field.name == key; };
      if (std::none_of(std::begin(kSizes), std::end(kSizes), named) && !lists(kNeutral, key))
        warn(key + " is not known and ignored");
    }
    if (config_.n_samples() <= config_.n_fft / 2 || config_.n_samples() < config_.hop_length)
      fail("a window of " + std::to_string(config_.n_samples()) + " samples is too short for n_fft " +
           std::to_string(config_.n_fft) + " and hop_length " + std::to_string(config_.hop_length));
    return std::move(config_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw core::Error(core::ErrorCode::kInvalidModel, std::string(name_) + ": " + what);
  }
  void warn(const std::string& what) { config_.warnings.push_back(std::string(name_) + ": " + what); }

  void require(const char* key, const char* wanted) const {
    if (file_.contains(key) && file_[key] != wanted)
      fail(std::string(key) + " is " + file_[key].dump() + ", but only \"" + wanted + "\" is supported");
  }

  int64_t size(const SizeField& field) const {
    const auto found = file_.find(field.name);
    if (found == file_.end()) return config_.*field.member;
    const int64_t least = field.member == &MelConfig::n_fft ? 2 : 1;
    if (found->is_number_integer() && *found >= least && *found <= field.most) return found->get<int64_t>();
    fail(std::string(field.name) + " must be a whole number from " + std::to_string(least) + " to " +
         std::to_string(field.most) + ", not " + found->dump().substr(0, 40));
  }

  double number(const char* key) const {
    const auto found = file_.find(key);
    if (found == file_.end()) return 0;
    if (!found->is_number()) fail(std::string(key) + " must be a number");
    return found->get<double>();
  }

  const json& file_;
  std::string_view name_;
  MelConfig config_;
};

}  // namespace

MelConfig parse_mel_config(const json& config, std::string_view file_name) {
  return Reader(config, file_name).read();
}

}  // namespace vulcap::audio
