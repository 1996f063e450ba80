#include "loader/audio/read_audio.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "loader/open_regular.h"
#include "runtime/core/error.h"

namespace vulcap::audio {
namespace {

constexpr sf_count_t kBlock = 1 << 16;  // frames read at a time
constexpr uint32_t kUnknownSize = 0xffffffff;

[[noreturn]] void fail(std::string_view name, const std::string& what) {
  throw core::Error(core::ErrorCode::kRuntime, std::string(name) + ": " + what);
}

// A file in memory, as libsndfile's virtual input.
struct Memory {
  std::span<const std::byte> bytes;
  sf_count_t at = 0;
};

sf_count_t memory_size(void* user) { return sf_count_t(static_cast<Memory*>(user)->bytes.size()); }

sf_count_t memory_tell(void* user) { return static_cast<Memory*>(user)->at; }

sf_count_t memory_seek(sf_count_t offset, int whence, void* user) {
  Memory& memory = *static_cast<Memory*>(user);
  const sf_count_t size = memory_size(user);
  const sf_count_t base = whence == SEEK_CUR ? memory.at : whence == SEEK_END ? size : 0;
  if (offset >= -base && offset <= size - base) memory.at = base + offset;
  return memory.at;
}

sf_count_t memory_read(void* target, sf_count_t count, void* user) {
  Memory& memory = *static_cast<Memory*>(user);
  const sf_count_t taken = std::clamp<sf_count_t>(count, 0, memory_size(user) - memory.at);
  if (taken > 0) std::memcpy(target, memory.bytes.data() + memory.at, size_t(taken));
  memory.at += taken;
  return taken;
}

sf_count_t memory_write(const void*, sf_count_t, void*) { return 0; }

uint32_t little_endian32(std::span<const std::byte> bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[i]);
  return value;
}

bool has_tag(std::span<const std::byte> bytes, std::string_view tag) {
  return bytes.size() >= tag.size() && std::memcmp(bytes.data(), tag.data(), tag.size()) == 0;
}

// libsndfile takes what is there of a WAV file that was cut off, without a word.
void refuse_cut_wav(std::span<const std::byte> bytes, std::string_view name) {
  if (!has_tag(bytes, "RIFF") || bytes.size() < 12 || !has_tag(bytes.subspan(8), "WAVE")) return;
  std::span<const std::byte> rest = bytes.subspan(12);
  while (rest.size() >= 8) {
    const uint32_t size = little_endian32(rest.subspan(4));
    const size_t left = rest.size() - 8;
    if (has_tag(rest, "data")) {
      if (size <= left || size == kUnknownSize) return;
      fail(name, "truncated WAV file: its data chunk says " + std::to_string(size) + " bytes but only " +
                     std::to_string(left) + " are there; copy or download the file again");
    }
    if (size > left) return;
    rest = rest.subspan(8 + std::min<size_t>(left, size_t(size) + size % 2));
  }
}

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, Close>;

File open(Memory& memory, SF_INFO& info, std::string_view name) {
  if (memory.bytes.empty()) fail(name, "the file is empty; expected a sound file");
  SF_VIRTUAL_IO io{memory_size, memory_seek, memory_read, memory_write, memory_tell};
  File file(sf_open_virtual(&io, SFM_READ, &info, &memory));
  if (!file) {
    std::string reason = sf_strerror(nullptr);
    while (reason.ends_with('.') || reason.ends_with('\n')) reason.pop_back();
    fail(name, "cannot be read as a sound file (WAV, FLAC, Ogg, MP3, AIFF): " + reason +
                   "; convert it to 16-bit WAV");
  }
  if (info.channels < 1 || info.samplerate < 1)
    fail(name, "corrupt sound file: its header names no channels or no sampling rate");
  return file;
}

// Appends the mean of the channels of each frame.
void append_mono(std::span<const float> block, size_t channels, std::vector<float>& samples) {
  for (size_t at = 0; at < block.size(); at += channels) {
    float sum = 0;
    for (size_t channel = 0; channel < channels; ++channel) sum += block[at + channel];
    samples.push_back(sum / float(channels));
  }
}

void check_samples(const std::vector<float>& samples, std::string_view name) {
  if (samples.empty()) fail(name, "the sound file holds no samples");
  const auto bad = std::find_if_not(samples.begin(), samples.end(), [](float x) { return std::isfinite(x); });
  if (bad != samples.end())
    fail(name, "sample " + std::to_string(bad - samples.begin()) + " is no finite number");
}

}  // namespace

Audio read_audio(std::span<const std::byte> bytes, std::string_view name) {
  refuse_cut_wav(bytes, name);
  Memory memory{bytes};
  SF_INFO info{};
  const File file = open(memory, info, name);
  Audio audio{{}, info.samplerate};
  const auto channels = size_t(info.channels);
  std::vector<float> block(size_t(kBlock) * channels);
  while (const sf_count_t frames = sf_readf_float(file.get(), block.data(), kBlock)) {
    if (frames < 0) break;
    append_mono(std::span(block).first(size_t(frames) * channels), channels, audio.samples);
    if (int64_t(audio.samples.size()) > kMaxSamples) {
      fail(name, "has more than " + std::to_string(kMaxSamples) + " samples a channel; split the file");
    }
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR)
    fail(name, "corrupt sound file: " + std::string(sf_strerror(file.get())));
  check_samples(audio.samples, name);
  return audio;
}

Audio read_audio(const std::filesystem::path& path) {
  try {
    return read_audio(loader::open_regular(path)->bytes(), path.string());
  } catch (const core::Error& error) {  // a bad input, not a bad model
    throw core::Error(core::ErrorCode::kRuntime, error.message());
  }
}

}  // namespace vulcap::audio
