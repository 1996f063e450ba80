// Log-mel features of speech, as WhisperFeatureExtractor of transformers 4.57 computes them: Hann window,
// power spectrum of centred frames (ends reflected), Slaney mel filters up to 8 kHz, log10 cut off 8 below
// its maximum, then (x + 4) / 4. Computed in double precision, rounded to float at the end.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::audio {

// Names and defaults follow preprocessor_config.json.
struct MelConfig {
  int64_t feature_size = 80;      // mel bands
  int64_t sampling_rate = 16000;  // Hz
  int64_t hop_length = 160;       // samples from frame to frame
  int64_t chunk_length = 30;      // seconds of a window
  int64_t n_fft = 400;            // samples of a frame
  double padding_value = 0.0;
  std::vector<std::string> warnings;  // fields that are not honoured, one line each

  int64_t n_samples() const { return chunk_length * sampling_rate; }  // of a window
};

// Throws core::Error(kInvalidModel) beginning with `file_name` for another extractor, ill-typed fields or
// sizes that cannot be.
MelConfig parse_mel_config(const nlohmann::json& config, std::string_view file_name);

struct MelFeatures {
  std::vector<float> data;  // f32[mels, frames]
  int64_t mels = 0;
  int64_t frames = 0;
};

// Samples at config.sampling_rate. Fewer than config.n_samples() are padded to that many; more are all used
// (the extractor called with truncation=False, padding="longest"). frames = samples / hop_length.
MelFeatures mel_features(std::span<const float> samples, const MelConfig& config);

// f64[n_fft / 2 + 1, feature_size] (audio_utils.mel_filter_bank with norm and scale "slaney").
std::vector<double> mel_filters(const MelConfig& config);

}  // namespace vulcap::audio
