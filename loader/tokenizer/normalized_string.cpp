#include "loader/tokenizer/normalized_string.h"

#include <algorithm>

#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

// Joins a segment to the one before it where `joins(segment, previous)` says so; the removal flag is cleared.
template <class Joins>
std::vector<Segment> merge_with_previous(const std::vector<Segment>& segments, Joins joins) {
  std::vector<Segment> out;
  bool previous_match = false;
  for (const Segment& s : segments) {
    if (joins(s.is_match, previous_match) && !out.empty()) {
      out.back().end = s.end;
    } else {
      out.push_back({s.begin, s.end, false});
    }
    previous_match = s.is_match;
  }
  return out;
}

std::vector<Segment> merge_with_next(const std::vector<Segment>& segments) {
  std::vector<Segment> out;
  bool next_match = false;
  for (auto s = segments.rbegin(); s != segments.rend(); ++s) {
    if (s->is_match && !next_match && !out.empty()) {
      out.back().begin = s->begin;
    } else {
      out.push_back({s->begin, s->end, false});
    }
    next_match = s->is_match;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

NormalizedString::NormalizedString(std::u32string original) : chars_(std::move(original)) {
  origins_.reserve(chars_.size());
  for (std::uint32_t i = 0; i < chars_.size(); ++i) origins_.push_back({i, i + 1});
}

Span NormalizedString::origin(std::size_t begin, std::size_t end) const {
  end = std::min(end, size());
  begin = std::min(begin, end);
  if (begin == end) {
    const std::uint32_t at = size() == 0 ? 0 : begin < size() ? origins_[begin].begin : origins_.back().end;
    return {at, at};
  }
  return {origins_[begin].begin, origins_[end - 1].end};
}

NormalizedString NormalizedString::slice(std::size_t begin, std::size_t end) const {
  NormalizedString out;
  end = std::min(end, size());
  begin = std::min(begin, end);
  out.chars_ = chars_.substr(begin, end - begin);
  out.origins_.assign(origins_.begin() + static_cast<std::ptrdiff_t>(begin),
                      origins_.begin() + static_cast<std::ptrdiff_t>(end));
  return out;
}

void NormalizedString::transform(const std::vector<CharChange>& changes, std::size_t removed_at_start) {
  std::u32string chars;
  std::vector<Span> origins;
  chars.reserve(changes.size());
  origins.reserve(changes.size());
  std::size_t at = removed_at_start;
  for (const CharChange& change : changes) {
    Span origin{0, 0};
    if (change.change > 0) {
      if (at > 0 && at <= size()) origin = origins_[at - 1];
    } else if (at < size()) {
      origin = origins_[at];
      at += 1 + static_cast<std::size_t>(-change.change);
    }
    chars.push_back(change.c);
    origins.push_back(origin);
  }
  chars_ = std::move(chars);
  origins_ = std::move(origins);
}

void NormalizedString::prepend(std::u32string_view text) {
  if (empty()) return;
  chars_.insert(0, text);
  origins_.insert(origins_.begin(), text.size(), origins_.front());
}

void NormalizedString::keep_if(const std::function<bool(char32_t)>& keep) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    if (!keep(chars_[i])) continue;
    chars_[kept] = chars_[i];
    origins_[kept++] = origins_[i];
  }
  chars_.resize(kept);
  origins_.resize(kept);
}

void NormalizedString::map(const std::function<char32_t(char32_t)>& f) {
  for (char32_t& c : chars_) c = f(c);
}

void NormalizedString::lowercase() {
  std::u32string chars;
  std::vector<Span> origins;
  chars.reserve(size());
  origins.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) {
    const std::u32string lower = to_lower(chars_[i]);
    chars += lower;
    origins.insert(origins.end(), lower.size(), origins_[i]);
  }
  chars_ = std::move(chars);
  origins_ = std::move(origins);
}

void NormalizedString::strip(bool left, bool right) {
  std::size_t begin = 0;
  std::size_t end = size();
  while (left && begin < end && is_whitespace(chars_[begin])) ++begin;
  while (right && end > begin && is_whitespace(chars_[end - 1])) --end;
  *this = slice(begin, end);
}

void NormalizedString::replace(const std::vector<Segment>& segments, std::u32string_view content) {
  NormalizedString out;
  for (const Segment& s : segments) {
    if (s.is_match) {
      // The replacement takes the origin of the last replaced character.
      const Span origin = s.end > 0 && s.end <= size() ? origins_[s.end - 1] : Span{0, 0};
      out.chars_ += content;
      out.origins_.insert(out.origins_.end(), content.size(), origin);
    } else {
      out.chars_.append(chars_, s.begin, s.end - s.begin);
      out.origins_.insert(out.origins_.end(), origins_.begin() + static_cast<std::ptrdiff_t>(s.begin),
                          origins_.begin() + static_cast<std::ptrdiff_t>(s.end));
    }
  }
  *this = std::move(out);
}

void NormalizedString::split(std::vector<Segment> segments, SplitBehavior behavior,
                             std::vector<NormalizedString>& out) const {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      break;
    case SplitBehavior::kIsolated:
      for (Segment& s : segments) s.is_match = false;
      break;
    case SplitBehavior::kContiguous:
      segments = merge_with_previous(segments, [](bool match, bool previous) { return match == previous; });
      break;
    case SplitBehavior::kMergedWithPrevious:
      segments = merge_with_previous(segments, [](bool match, bool previous) { return match && !previous; });
      break;
    case SplitBehavior::kMergedWithNext:
      segments = merge_with_next(segments);
      break;
  }
  for (const Segment& s : segments) {
    if (!s.is_match && s.begin < s.end) out.push_back(slice(s.begin, s.end));
  }
}

std::vector<Segment> find_chars(std::u32string_view text, const std::function<bool(char32_t)>& matches) {
  std::vector<Segment> out;
  std::size_t rest = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!matches(text[i])) continue;
    if (rest < i) out.push_back({rest, i, false});
    out.push_back({i, i + 1, true});
    rest = i + 1;
  }
  if (rest < text.size()) out.push_back({rest, text.size(), false});
  return out;
}

std::vector<Segment> find_literal(std::u32string_view text, std::u32string_view needle) {
  std::vector<Segment> out;
  std::size_t rest = 0;
  while (!needle.empty()) {
    const std::size_t at = text.find(needle, rest);
    if (at == std::u32string_view::npos) break;
    if (rest < at) out.push_back({rest, at, false});
    out.push_back({at, at + needle.size(), true});
    rest = at + needle.size();
  }
  if (rest < text.size()) out.push_back({rest, text.size(), false});
  return out;
}

void invert(std::vector<Segment>& segments) {
  for (Segment& s : segments) s.is_match = !s.is_match;
}

}  // namespace vulcap::tokenizer
