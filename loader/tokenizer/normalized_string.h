// A text under normalisation that remembers where each character came from.
// Follows NormalizedString of Hugging Face tokenizers 0.22, at the granularity of characters.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::tokenizer {

// Half-open range of code points in the original text.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const Span&) const = default;
};

// Half-open range of characters; the segments of a text cover it without gaps.
struct Segment {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};

// One character of a rewritten text. change: 0 replaces the next old character; n > 0 is inserted (takes the
// origin of the old character before it); n < 0 replaces the next old character and removes the -n after it.
struct CharChange {
  char32_t c;
  int change;
};

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

class NormalizedString {
 public:
  NormalizedString() = default;
  explicit NormalizedString(std::u32string original);

  const std::u32string& chars() const { return chars_; }
  const std::vector<Span>& origins() const { return origins_; }
  bool empty() const { return chars_.empty(); }
  std::size_t size() const { return chars_.size(); }

  // Origin of the characters [begin, end); ends are clamped to the text.
  Span origin(std::size_t begin, std::size_t end) const;
  NormalizedString slice(std::size_t begin, std::size_t end) const;

  // `removed_at_start` old characters vanish before the first change applies.
  void transform(const std::vector<CharChange>& changes, std::size_t removed_at_start = 0);
  void prepend(std::u32string_view text);  // nothing happens to an empty text
  void keep_if(const std::function<bool(char32_t)>& keep);
  void map(const std::function<char32_t(char32_t)>& f);
  void lowercase();
  void strip(bool left, bool right);
  void replace(const std::vector<Segment>& segments, std::u32string_view content);

  // Appends the non-empty parts to `out`.
  void split(std::vector<Segment> segments, SplitBehavior behavior, std::vector<NormalizedString>& out) const;

 private:
  std::u32string chars_;
  std::vector<Span> origins_;
};

// Every character for which `matches` holds is a match of its own; the runs between are the rest.
std::vector<Segment> find_chars(std::u32string_view text, const std::function<bool(char32_t)>& matches);
std::vector<Segment> find_literal(std::u32string_view text, std::u32string_view needle);
void invert(std::vector<Segment>& segments);

}  // namespace vulcap::tokenizer
