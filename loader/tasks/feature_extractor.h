// Text -> hidden states, one vector a token: the pipeline feature-extraction of transformers 4.57.
#pragma once

#include "loader/families/text_encoder.h"

namespace vulcap::loader {

// A folder with a graph of last_hidden_state f[batch, length, width].
class FeatureExtractor : public TextTask {
 public:
  FeatureExtractor(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options)
      : TextTask(dir, {"text encoder (input_ids -> last_hidden_state)", {{"last_hidden_state", 3}}}, device,
                 options) {}

  // f[length, width], special tokens included.
  TextOutput features(const std::string& text, const TokenizeOptions& tokenize = {}) {
    auto rows = encoder_.encode(text, "", tokenize);
    rows.resize(1);
    return std::move(encoder_.run(std::move(rows)).front().outputs.at("last_hidden_state"));
  }
};

}  // namespace vulcap::loader
