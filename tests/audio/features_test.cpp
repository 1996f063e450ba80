#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "loader/audio/mel_features.h"
#include "loader/audio/read_audio.h"
#include "loader/audio/resample.h"
#include "loader/npy.h"
#include "runtime/core/error.h"

namespace vulcap::audio {
namespace {

using nlohmann::json;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(VULCAP_TEST_DATA) / "audio" / name;
}

MelConfig windows_of(int64_t seconds) {
  MelConfig config;
  config.chunk_length = seconds;
  return config;
}

// `want` f32[1, mels, frames] holds the first frames of `got`.
void expect_features(const MelFeatures& got, const core::Tensor& want) {
  ASSERT_EQ(want.shape().at(1), got.mels);
  const int64_t frames = want.shape().at(2);
  ASSERT_LE(frames, got.frames);
  double worst = 0;
  for (int64_t mel = 0; mel < got.mels; ++mel) {
    for (int64_t frame = 0; frame < frames; ++frame) {
      const double value = want.at_f64(size_t(mel * frames + frame));
      worst = std::max(worst, std::abs(value - double(got.data[size_t(mel * got.frames + frame)])));
    }
  }
  EXPECT_LT(worst, 5e-5);
}

TEST(MelFeatures, EqualTheReference) {
  const Audio three_seconds = read_audio(std::filesystem::path(VULCAP_TEST_DATA) /
                                         "families/whisper/expected/audio/tones_3s_pcm16.wav");
  const Audio short_one = read_audio(golden("tones_half_second_float32.wav"));
  const MelConfig four_seconds = windows_of(4);
  const MelFeatures features = mel_features(three_seconds.samples, four_seconds);
  EXPECT_EQ(features.frames, 400);
  expect_features(features, loader::read_npy(golden("features_3s.npy")));
  expect_features(mel_features(short_one.samples, four_seconds),
                  loader::read_npy(golden("features_half_second.npy")));
  const MelFeatures window = mel_features(three_seconds.samples, {});
  EXPECT_EQ(window.frames, 3000);
  expect_features(window, loader::read_npy(golden("features_3s_window_30s.npy")));
}

TEST(MelFeatures, FiltersEqualTheReference) {
  const core::Tensor want = loader::read_npy(golden("mel_filters.npy"));
  const std::vector<double> filters = mel_filters({});
  ASSERT_EQ(filters.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(filters[i], want.at_f64(i), 1e-7) << i;
}

TEST(MelFeatures, KeepAllOfALongRecording) {
  const Audio audio = read_audio(std::filesystem::path(VULCAP_TEST_DATA) /
                                 "families/whisper/expected/audio/tones_3s_pcm16.wav");
  const MelFeatures features = mel_features(std::span(audio.samples).first(40100), windows_of(1));
  EXPECT_EQ(features.frames, 250);
}

std::string config_error(const json& config) {
  try {
    parse_mel_config(config, "preprocessor_config.json");
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    return error.message();
  }
  return "no error";
}

TEST(MelConfig, ReadsEveryField) {
  const MelConfig config = parse_mel_config(json{{"feature_extractor_type", "WhisperFeatureExtractor"},
                                                 {"feature_size", 128},
                                                 {"sampling_rate", 8000},
                                                 {"hop_length", 80},
                                                 {"chunk_length", 10},
                                                 {"n_fft", 200},
                                                 {"padding_value", 0.5},
                                                 {"dither", 0.1},
                                                 {"n_samples", 1},
                                                 {"mel_filters", json::array({1})},
                                                 {"novelty", 1}},
                                            "p.json");
  EXPECT_EQ(config.feature_size, 128);
  EXPECT_EQ(config.n_samples(), 80000);
  EXPECT_EQ(config.hop_length, 80);
  EXPECT_EQ(config.n_fft, 200);
  EXPECT_EQ(config.padding_value, 0.5);
  EXPECT_EQ(config.warnings, (std::vector<std::string>{"p.json: dither is ignored: it adds random noise",
                                                       "p.json: novelty is not known and ignored"}));
}

TEST(MelConfig, RefusesWhatCannotBe) {
  EXPECT_EQ(config_error({{"feature_extractor_type", "ClapFeatureExtractor"}}),
            "preprocessor_config.json: feature_extractor_type is \"ClapFeatureExtractor\", but only "
            "\"WhisperFeatureExtractor\" is supported");
  EXPECT_NE(config_error({{"padding_side", "left"}}).find("padding_side"), std::string::npos);
  EXPECT_NE(config_error({{"hop_length", 0}}).find("hop_length must be a whole number"), std::string::npos);
  EXPECT_NE(config_error({{"n_fft", "many"}}).find("n_fft must be a whole number"), std::string::npos);
  EXPECT_NE(config_error({{"sampling_rate", 1}, {"chunk_length", 1}}).find("too short"), std::string::npos);
  EXPECT_NE(config_error(json::array()).find("JSON object"), std::string::npos);
}

TEST(Resample, EqualsTheReference) {
  const core::Tensor source = loader::read_npy(golden("tones_half_second_float32.npy"));
  std::vector<float> samples;
  for (size_t i = 0; i < 2500; ++i) samples.push_back(float(source.at_f64(i)));
  for (const auto& [from, to] : {std::pair(44100, 16000), std::pair(8000, 16000), std::pair(48000, 16000),
                                 std::pair(11025, 16000), std::pair(16000, 22050)}) {
    const std::string name = "resample_" + std::to_string(from) + "_" + std::to_string(to) + ".npy";
    const core::Tensor want = loader::read_npy(golden(name));
    const std::vector<float> got = resample(samples, from, to);
    ASSERT_EQ(got.size(), want.size()) << name;
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want.at_f64(i), 2e-6) << name << " " << i;
  }
}

TEST(Resample, RefusesStrangeRates) {
  EXPECT_THROW(resample(std::vector<float>(10), 5, 16000), core::Error);
  EXPECT_THROW(resample(std::vector<float>(10), 16000, 1 << 30), core::Error);
  EXPECT_EQ(resample(std::vector<float>(10), 16000, 16000).size(), 10u);
}

}  // namespace
}  // namespace vulcap::audio
