#include "loader/audio/read_audio.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "loader/npy.h"
#include "runtime/core/error.h"
#include "tests/audio/wav_builder.h"

namespace vulcap::audio {
namespace {

using test::Bytes;
using test::bytes_of;
using test::wav;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(VULCAP_TEST_DATA) / "audio" / name;
}

std::string error_of(const Bytes& bytes) {
  try {
    read_audio(bytes, "x.wav");
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
    EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.message();
    EXPECT_TRUE(error.message().starts_with("x.wav: ")) << error.message();
    return error.message();
  }
  return "no error";
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

const std::vector<float> kRamp = {0.0F, 0.25F, -0.5F, 1.0F, -1.0F};

TEST(ReadAudio, GivesTheSamplesOfTheReference) {
  for (const std::string kind : {"pcm8", "pcm24", "float32"}) {
    const Audio audio = read_audio(golden("tones_half_second_" + kind + ".wav"));
    EXPECT_EQ(audio.sampling_rate, 16000);
    const core::Tensor want = loader::read_npy(golden("tones_half_second_" + kind + ".npy"));
    ASSERT_EQ(audio.samples.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(audio.samples[i], float(want.at_f64(i))) << kind << i;
  }
}

TEST(ReadAudio, ScalesIntegersByTheirRange) {
  const std::vector<float> half = {0.5F, -0.5F, -1.0F};
  EXPECT_EQ(read_audio(wav({}, bytes_of<int16_t>({16384, -16384, -32768})), "x").samples, half);
  EXPECT_EQ(read_audio(wav({.bits = 8}, bytes_of<uint8_t>({192, 64, 0})), "x").samples, half);
  EXPECT_EQ(read_audio(wav({.bits = 32}, bytes_of<int32_t>({1 << 30, -(1 << 30), INT32_MIN})), "x").samples,
            half);
}

TEST(ReadAudio, ReadsFloatsOfBothSizes) {
  EXPECT_EQ(read_audio(wav({.tag = 3, .bits = 32}, bytes_of<float>(kRamp)), "x").samples, kRamp);
  const std::vector<double> doubles(kRamp.begin(), kRamp.end());
  EXPECT_EQ(read_audio(wav({.tag = 3, .bits = 64}, bytes_of<double>(doubles)), "x").samples, kRamp);
}

TEST(ReadAudio, ReadsExtensibleFormats) {
  const Bytes floats = wav({.tag = 0xfffe, .bits = 32, .sub_tag = 3}, bytes_of<float>(kRamp));
  EXPECT_EQ(read_audio(floats, "x").samples, kRamp);
  const Bytes integers = wav({.tag = 0xfffe, .channels = 2}, bytes_of<int16_t>({16384, 0, -16384, -16384}));
  EXPECT_EQ(read_audio(integers, "x").samples, (std::vector<float>{0.25F, -0.5F}));
}

TEST(ReadAudio, AveragesChannels) {
  const Bytes stereo =
      wav({.tag = 3, .channels = 2, .rate = 44100, .bits = 32}, bytes_of<float>({1.0F, 0.0F, -0.5F, 0.25F}));
  const Audio audio = read_audio(stereo, "x");
  EXPECT_EQ(audio.samples, (std::vector<float>{0.5F, -0.125F}));
  EXPECT_EQ(audio.sampling_rate, 44100);
}

TEST(ReadAudio, SkipsOtherChunks) {
  Bytes extra = test::chunk("LIST", bytes_of<uint8_t>({'I', 'N', 'F', 'O', 'x'}));
  const Bytes junk = test::chunk("junk", Bytes(33));
  extra.insert(extra.end(), junk.begin(), junk.end());
  EXPECT_EQ(read_audio(wav({.tag = 3, .bits = 32}, bytes_of<float>(kRamp), extra), "x").samples, kRamp);
}

// A program that writes to a pipe cannot go back to fill in sizes.
TEST(ReadAudio, ReadsFilesOfUnknownLength) {
  Bytes bytes = wav({.tag = 3, .bits = 32}, bytes_of<float>(kRamp));
  for (const size_t at : {size_t(4), bytes.size() - kRamp.size() * 4 - 4}) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = std::byte{0xff};
  }
  EXPECT_EQ(read_audio(bytes, "x").samples, kRamp);
}

TEST(ReadAudio, RefusesWhatIsNoSound) {
  expect_contains(error_of({}), "the file is empty");
  expect_contains(error_of(Bytes(100)), "cannot be read as a sound file");
  Bytes text;
  test::append_text(text, "a note, not a sound\n");
  expect_contains(error_of(text), "cannot be read as a sound file");
  expect_contains(error_of(wav({}, {})), "holds no samples");
  expect_contains(error_of(wav({.bits = 0}, Bytes(8))), "sound file");
  expect_contains(error_of(wav({.channels = 0}, Bytes(8))), "sound file");
  expect_contains(error_of(wav({.rate = 0}, Bytes(8))), "sound file");
}

TEST(ReadAudio, RefusesNumbersThatAreNone) {
  expect_contains(error_of(wav({.tag = 3, .bits = 32}, bytes_of<float>({0.0F, NAN}))),
                  "sample 1 is no finite");
  expect_contains(error_of(wav({.tag = 3, .bits = 32}, bytes_of<float>({INFINITY}))),
                  "sample 0 is no finite");
}

TEST(ReadAudio, RefusesTruncatedFiles) {
  Bytes bytes = wav({}, Bytes(1000));
  for (const size_t size : {bytes.size() - 1, bytes.size() - 500, size_t(50)}) {
    bytes.resize(size);
    expect_contains(error_of(bytes), "truncated WAV file: its data chunk says 1000 bytes");
  }
  for (const size_t size : {40u, 30u, 20u, 12u, 8u, 3u}) {
    bytes.resize(size);
    EXPECT_NE(error_of(bytes), "no error") << size;
  }
}

TEST(ReadAudio, NamesProblemsOfThePath) {
  for (const auto& [name, what] : {std::pair("absent.wav", "file not found"), std::pair("", "is a folder")}) {
    try {
      read_audio(golden(name));
      FAIL() << "no error";
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
      expect_contains(error.message(), what);
    }
  }
}

// Damaged files end in finite samples or in one line, whatever the damage.
TEST(ReadAudio, SurvivesMutations) {
  std::mt19937 random(20250411);
  const auto pick = [&](size_t n) { return random() % n; };
  const std::vector<Bytes> originals = {
      wav({}, Bytes(400)), wav({.tag = 3, .channels = 2, .bits = 32}, Bytes(400)),
      wav({.bits = 24}, Bytes(300)),
      wav({.tag = 0xfffe, .bits = 32}, Bytes(400), test::chunk("LIST", Bytes(40)))};
  int read = 0, refused = 0;
  for (const Bytes& original : originals) {
    for (int round = 0; round < 1500; ++round) {
      Bytes bytes = original;
      for (size_t i = 0; i < 1 + pick(4); ++i) bytes[pick(90)] = std::byte(pick(256));
      if (round % 5 == 0) bytes.resize(pick(bytes.size()));
      try {
        for (const float sample : read_audio(bytes, "x").samples) ASSERT_TRUE(std::isfinite(sample));
        ++read;
      } catch (const core::Error& error) {
        ASSERT_EQ(error.code(), core::ErrorCode::kRuntime) << error.message();
        ++refused;
      }
    }
  }
  EXPECT_GT(read, 300);
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace vulcap::audio
