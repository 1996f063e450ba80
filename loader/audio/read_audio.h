// Sound files to mono samples: what libsndfile 1.2 reads (WAV with PCM of 8 to 32 bits or floats, plain or
// extensible, RF64, W64, AIFF, FLAC, Ogg Vorbis and Opus, MP3). The format comes from the file's content.
// Integer samples are divided by 2^(bits - 1), as the reference pipelines (ffmpeg, librosa, soundfile) do;
// channels are averaged as transformers' AutomaticSpeechRecognitionPipeline does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace vulcap::audio {

struct Audio {
  std::vector<float> samples;  // one channel, usually in [-1, 1]
  int64_t sampling_rate = 0;   // samples a second

  double seconds() const { return double(samples.size()) / double(sampling_rate); }
};

// Throws core::Error(kRuntime) beginning with the path: file absent, unreadable, of no known format, corrupt,
// without samples, with samples that are no finite numbers, or longer than kMaxSamples. A WAV file that ends
// before its data chunk does is refused; one of unknown length (written to a pipe) is read to its end.
Audio read_audio(const std::filesystem::path& path);

// The same for a file already in memory; `name` begins the error messages.
Audio read_audio(std::span<const std::byte> bytes, std::string_view name);

inline constexpr int64_t kMaxSamples = int64_t(1) << 29;

}  // namespace vulcap::audio
