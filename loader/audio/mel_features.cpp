#include "loader/audio/mel_features.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vulcap::audio {
namespace {

constexpr double kHighestFrequency = 8000;
constexpr double kSmallestPower = 1e-10;
constexpr double kDynamicRange = 8;  // powers of ten below the maximum

// The Slaney scale: linear up to 1 kHz, logarithmic above.
constexpr double kLinearEndHertz = 1000;
constexpr double kLinearEndMel = 15;
const double kLogStep = std::log(6.4) / 27;

double hertz_to_mel(double hertz) {
  if (hertz < kLinearEndHertz) return 3 * hertz / 200;
  return kLinearEndMel + std::log(hertz / kLinearEndHertz) / kLogStep;
}

double mel_to_hertz(double mel) {
  if (mel < kLinearEndMel) return 200 * mel / 3;
  return kLinearEndHertz * std::exp(kLogStep * (mel - kLinearEndMel));
}

// Power spectra of real frames by the definition of the transform. Sample n and its mirror n_fft - n meet the
// same cosine and opposite sines, so each transform runs over half a frame.
class PowerSpectrum {
 public:
  explicit PowerSpectrum(int64_t n_fft)
      : n_fft_(n_fft), bins_(n_fft / 2 + 1), window_(size_t(n_fft)), real_(size_t(bins_)), imag_(real_) {
    const double turn = 2 * std::numbers::pi / double(n_fft);
    for (int64_t n = 0; n < n_fft; ++n) window_[size_t(n)] = 0.5 - 0.5 * std::cos(turn * double(n));
    for (int64_t n = 0; n < bins_; ++n) {
      for (int64_t k = 0; k < bins_; ++k) {
        const double angle = turn * double(n * k % n_fft);
        cosine_.push_back(std::cos(angle));
        sine_.push_back(std::sin(angle));
      }
    }
  }

  int64_t bins() const { return bins_; }

  // frame: n_fft samples; power: bins() values.
  void compute(const double* frame, double* power) {
    std::fill(real_.begin(), real_.end(), 0.0);
    std::fill(imag_.begin(), imag_.end(), 0.0);
    for (int64_t n = 0; n < bins_; ++n) {
      const int64_t mirror = n_fft_ - n;
      const double here = frame[n] * window_[size_t(n)];
      const bool alone = n == 0 || mirror == n;
      const double there = alone ? 0 : frame[mirror] * window_[size_t(mirror)];
      add(n, here + there, here - there);
    }
    for (int64_t k = 0; k < bins_; ++k)
      power[k] = real_[size_t(k)] * real_[size_t(k)] + imag_[size_t(k)] * imag_[size_t(k)];
  }

 private:
  void add(int64_t n, double even, double odd) {
    const double* cosine = &cosine_[size_t(n * bins_)];
    const double* sine = &sine_[size_t(n * bins_)];
    double* real = real_.data();
    double* imag = imag_.data();
    for (int64_t k = 0; k < bins_; ++k) {
      real[k] += even * cosine[k];
      imag[k] += odd * sine[k];
    }
  }

  int64_t n_fft_, bins_;
  std::vector<double> window_;         // periodic Hann
  std::vector<double> cosine_, sine_;  // [bins, bins] of 2 pi n k / n_fft
  std::vector<double> real_, imag_;
};

// n_fft / 2 samples of each end reflected about it (torch.stft with center=True).
std::vector<double> padded(std::span<const float> samples, const MelConfig& config) {
  const int64_t length = std::max(int64_t(samples.size()), config.n_samples());
  const int64_t half = config.n_fft / 2;
  std::vector<double> result(size_t(length + 2 * half), config.padding_value);
  std::copy(samples.begin(), samples.end(), result.begin() + half);
  for (int64_t i = 1; i <= half; ++i) {
    result[size_t(half - i)] = result[size_t(half + i)];
    result[size_t(half + length - 1 + i)] = result[size_t(half + length - 1 - i)];
  }
  return result;
}

// A band's filter is a triangle, zero but for a few bins.
struct Band {
  int64_t first = 0;
  std::vector<double> weights;
};

std::vector<Band> make_bands(const MelConfig& config) {
  const std::vector<double> filters = mel_filters(config);
  const int64_t bins = config.n_fft / 2 + 1;
  std::vector<Band> bands(static_cast<size_t>(config.feature_size));
  for (int64_t mel = 0; mel < config.feature_size; ++mel) {
    Band& band = bands[size_t(mel)];
    for (int64_t bin = 0; bin < bins; ++bin) {
      const double weight = filters[size_t(bin * config.feature_size + mel)];
      if (weight == 0 && band.weights.empty()) band.first = bin + 1;
      if (weight != 0) band.weights.push_back(weight);
    }
  }
  return bands;
}

double log_power(const Band& band, const double* power) {
  double sum = 0;
  for (size_t i = 0; i < band.weights.size(); ++i) sum += band.weights[i] * power[size_t(band.first) + i];
  return std::log10(std::max(sum, kSmallestPower));
}

}  // namespace

std::vector<double> mel_filters(const MelConfig& config) {
  const int64_t bins = config.n_fft / 2 + 1;
  const int64_t bands = config.feature_size;
  const double highest_mel = hertz_to_mel(kHighestFrequency);
  std::vector<double> edges;  // in Hz; a band reaches from edge to next but one
  for (int64_t i = 0; i < bands + 2; ++i)
    edges.push_back(mel_to_hertz(highest_mel * double(i) / double(bands + 1)));
  std::vector<double> filters;
  for (int64_t bin = 0; bin < bins; ++bin) {
    const double hertz = double(config.sampling_rate / 2) * double(bin) / double(bins - 1);
    for (size_t band = 0; band < size_t(bands); ++band) {
      const double rising = (hertz - edges[band]) / (edges[band + 1] - edges[band]);
      const double falling = (edges[band + 2] - hertz) / (edges[band + 2] - edges[band + 1]);
      const double area = 2 / (edges[band + 2] - edges[band]);
      filters.push_back(std::max(0.0, std::min(rising, falling)) * area);
    }
  }
  return filters;
}

MelFeatures mel_features(std::span<const float> samples, const MelConfig& config) {
  const std::vector<double> wave = padded(samples, config);
  const int64_t length = std::max(int64_t(samples.size()), config.n_samples());
  MelFeatures features{{}, config.feature_size, length / config.hop_length};
  features.data.resize(size_t(features.mels * features.frames));
  const std::vector<Band> bands = make_bands(config);
  PowerSpectrum spectrum(config.n_fft);
  std::vector<double> power(static_cast<size_t>(spectrum.bins()));
  double highest = std::log10(kSmallestPower);
  for (int64_t frame = 0; frame < features.frames; ++frame) {
    spectrum.compute(&wave[size_t(frame * config.hop_length)], power.data());
    for (int64_t mel = 0; mel < features.mels; ++mel) {
      const double value = log_power(bands[size_t(mel)], power.data());
      features.data[size_t(mel * features.frames + frame)] = float(value);
      highest = std::max(highest, value);
    }
  }
  const float lowest = float(highest - kDynamicRange);
  for (float& value : features.data) value = (std::max(value, lowest) + 4) / 4;
  return features;
}

}  // namespace vulcap::audio
