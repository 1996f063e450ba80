#include "loader/speech/segments.h"

#include <algorithm>
#include <cstdio>

namespace vulcap::speech {
namespace {

constexpr int64_t kTokensPerWindow = 1500;

// Ends of the segments: behind the first of two time stamps that meet.
std::vector<size_t> segment_ends(std::span<const int64_t> ids, int64_t timestamp_begin) {
  std::vector<size_t> ends;
  for (size_t i = 1; i < ids.size(); ++i) {
    if (ids[i - 1] >= timestamp_begin && ids[i] >= timestamp_begin) ends.push_back(i);
  }
  return ends;
}

double seconds_at(const Window& window, int64_t id) {
  const double start = double(window.seek) * kTokenSeconds / double(kFramesPerToken);
  return start + double(id - window.timestamp_begin) * kTokenSeconds;
}

// No pair of time stamps: all is one segment, up to its last time stamp or the window's end.
Segment whole_window(std::span<const int64_t> ids, const Window& window) {
  // The reference rounds this to float.
  int64_t end =
      int64_t(float(window.frames) * float(kTokenSeconds / double(kFramesPerToken)) / float(kTokenSeconds));
  const auto last =
      std::find_if(ids.rbegin(), ids.rend(), [&](int64_t id) { return id >= window.timestamp_begin; });
  if (last != ids.rend() && *last != window.timestamp_begin) end = *last - window.timestamp_begin;
  return {seconds_at(window, window.timestamp_begin),
          seconds_at(window, window.timestamp_begin + end),
          {ids.begin(), ids.end()}};
}

}  // namespace

WindowSegments split_window(std::span<const int64_t> ids, const Window& window) {
  std::vector<size_t> ends = segment_ends(ids, window.timestamp_begin);
  if (ends.empty()) return {{whole_window(ids, window)}, window.frames};
  const auto is_timestamp = [&](size_t i) { return ids[i] >= window.timestamp_begin; };
  // One time stamp at the end: nothing is said behind it.
  const bool single_ending = is_timestamp(ids.size() - 1) && !is_timestamp(ids.size() - 2);
  if (single_ending) {
    ends.push_back(ids.size());
  } else {
    ++ends.back();  // both time stamps of the last pair
  }
  WindowSegments result;
  size_t begin = 0;
  for (const size_t end : ends) {
    const bool paired = end == ends.back() && !single_ending;
    result.segments.push_back({seconds_at(window, ids[begin]),
                               seconds_at(window, ids[end - (paired ? 2 : 1)]),
                               {ids.begin() + int64_t(begin), ids.begin() + int64_t(end)}});
    begin = end;
  }
  result.advance =
      single_ending ? window.frames : (ids[begin - 2] - window.timestamp_begin) * kFramesPerToken;
  // A pair <|0.00|><|0.00|> makes no way; the reference would meet it for ever.
  if (result.advance < 1) result.advance = window.frames;
  return result;
}

std::string text_with_timestamps(const tokenizer::Tokenizer& tokenizer, std::span<const int64_t> ids,
                                 int64_t timestamp_begin) {
  std::vector<std::string> parts;
  std::vector<int64_t> text;
  const auto finish_text = [&] {
    parts.push_back(tokenizer.decode(std::span<const int64_t>(text), false));
    text.clear();
  };
  double latest = 0, before = 0, passed = 0;  // seconds; `passed`: windows that ended
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < timestamp_begin) {
      text.push_back(ids[i]);
      continue;
    }
    finish_text();
    const double seconds = double(ids[i] - timestamp_begin) * kTokenSeconds;
    if (seconds < latest) {  // a new window began
      const bool paired = i < 2 || (ids[i - 1] >= timestamp_begin && ids[i - 2] >= timestamp_begin);
      passed += paired ? before : kTokenSeconds * kTokensPerWindow;
      if (paired) {
        latest = before;
        parts.resize(parts.size() - std::min<size_t>(parts.size(), 2));
      }
    }
    before = latest;
    latest = seconds;
    char mark[32];
    std::snprintf(mark, sizeof mark, "<|%.2f|>", seconds + passed);
    parts.emplace_back(mark);
  }
  finish_text();
  std::string result;
  for (const std::string& part : parts) result += part;
  return result;
}

}  // namespace vulcap::speech
