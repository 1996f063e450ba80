// The smallest mix of formats that keeps a model's answers: which format each of its files gets, and which
// parts of a file stay as they are.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "loader/conversion/quantization/quantize.h"
#include "loader/conversion/samples.h"

namespace vulcap::quantization {

// What one file of the mix is.
struct Choice {
  std::filesystem::path file;             // the fp32 file
  std::optional<Format> format;           // none: it stays fp32
  std::vector<std::string> exclude = {};  // see Options::exclude
};

struct Trial {
  std::vector<Choice> mix;
  size_t bytes = 0;
  size_t changed = 0, answers = 0;
  std::string error;   // why the mix cannot be made or run; else ""
  bool keeps = false;  // no more answers change than allowed
};

struct SearchRequest {
  std::filesystem::path dir;
  conversion::Samples samples;
  loader::CaptionPrompt prompt = {};
  double max_change = 0.01;  // share of the answers that may change
  std::vector<Format> formats = {Format::kQ4,   Format::kQ4F16, Format::kBnb4,
                                 Format::kInt8, Format::kUint8, Format::kFp16};
  Options options = {};  // for all formats, but for `to`
  std::function<void(const Trial&)> on_trial = {};
  // A file that the answers do not come from, as a decoder beside a merged one: it stays as it is.
  std::function<void(const std::filesystem::path&)> on_unused = {};
};

// Tries each format on each file that the answers come from alone, then mixes of those that keep the bound
// from the smallest on, then smaller formats with the layers left out that matter most. Answers come from
// `device`. Throws core::Error: kUsage for a model that gives no texts to compare, as load_sample_model and
// quantize_file otherwise.
Trial smallest_mix(const SearchRequest& request, session::Device& device);

}  // namespace vulcap::quantization
