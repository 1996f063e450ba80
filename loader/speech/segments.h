// What Whisper's time stamps mean: a window's tokens become segments, and tell how far to move on. Follows
// WhisperGenerationMixin._retrieve_segment and WhisperTokenizer._decode_with_timestamps of transformers 4.57.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loader/tokenizer/tokenizer.h"

namespace vulcap::speech {

inline constexpr double kTokenSeconds = 0.02;  // from time stamp to time stamp
inline constexpr int64_t kFramesPerToken = 2;  // feature frames: the strides of the encoder's convolutions

struct Segment {
  double start = 0;  // seconds from the start of the recording
  double end = 0;
  std::vector<int64_t> ids;  // time stamps included
};

struct Window {
  int64_t seek = 0;             // first feature frame
  int64_t frames = 0;           // that hold sound
  int64_t timestamp_begin = 0;  // the id of <|0.00|>
};

struct WindowSegments {
  std::vector<Segment> segments;
  int64_t advance = 0;  // feature frames to the next window, at least 1
};

// `ids`: what was generated for the window, without prompt and end token. Where two time stamps meet, a
// segment ends; what follows the last such pair is left for the next window.
WindowSegments split_window(std::span<const int64_t> ids, const Window& window);

// Text with marks <|1.08|>, counted on over windows of 30 s.
std::string text_with_timestamps(const tokenizer::Tokenizer& tokenizer, std::span<const int64_t> ids,
                                 int64_t timestamp_begin);

}  // namespace vulcap::speech
