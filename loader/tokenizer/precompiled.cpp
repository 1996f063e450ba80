#include "loader/tokenizer/precompiled.h"

#include <utf8proc.h>

#include "loader/base64.h"
#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

constexpr std::size_t kMaxGraphemeBytes = 6;

std::uint32_t read_u32(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i)
    value = (value << 8) | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

// Units of Darts-clone: bit 8 "has a leaf", bits 0-7 the label, bits 10-30 the offset, bit 9 its scale.
bool has_leaf(std::uint32_t unit) { return ((unit >> 8) & 1) != 0; }
std::uint32_t leaf_value(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }
std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FFu; }
std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

// The characters [begin, end) become `text`, counted as the reference does.
void put_replacement(std::size_t old_count, const std::u32string& text, std::vector<CharChange>& changes) {
  const std::size_t first = changes.size();
  for (const char32_t c : text) changes.push_back({c, 0});
  if (text.size() > old_count) {
    std::size_t added = text.size() - old_count;
    for (auto it = changes.rbegin(); it != changes.rend() && added > 0; ++it, --added) it->change = 1;
  } else if (text.size() < old_count && first + text.size() > 0) {
    // With an empty replacement the character before it takes the removal, as in the reference.
    changes.back().change -= static_cast<int>(old_count - text.size());
  }
}

std::size_t grapheme_end(const std::u32string& chars, std::size_t begin) {
  utf8proc_int32_t state = 0;
  std::size_t end = begin + 1;
  while (end < chars.size() &&
         !utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(chars[end - 1]),
                                           static_cast<utf8proc_int32_t>(chars[end]), &state)) {
    ++end;
  }
  return end;
}

}  // namespace

PrecompiledCharsmap::PrecompiledCharsmap(const std::string& base64, const std::string& where) {
  if (base64.empty()) return;
  const auto decoded = loader::decode_base64(base64);
  if (!decoded) fail_invalid(where, "precompiled_charsmap is not base64");
  const std::string& bytes = *decoded;
  const std::size_t trie_bytes = bytes.size() < 4 ? 0 : read_u32(bytes, 0);
  if (bytes.size() < 4 || trie_bytes > bytes.size() - 4)
    fail_invalid(where, "precompiled_charsmap is cut short");
  for (std::size_t at = 0; at + 4 <= trie_bytes; at += 4) trie_.push_back(read_u32(bytes, 4 + at));
  replacements_ = bytes.substr(4 + trie_bytes);
}

std::optional<std::u32string> PrecompiledCharsmap::lookup(std::string_view part) const {
  if (trie_.empty()) return std::nullopt;
  std::uint32_t node = offset(trie_[0]);
  for (const char ch : part) {
    const auto byte = static_cast<unsigned char>(ch);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= trie_.size() || label(trie_[node]) != byte) return std::nullopt;
    const std::uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    // The shortest prefix with an entry decides, even when the part is longer.
    if (node >= trie_.size() || leaf_value(trie_[node]) >= replacements_.size()) return std::nullopt;
    return replacement(leaf_value(trie_[node]));
  }
  return std::nullopt;
}

std::u32string PrecompiledCharsmap::replacement(std::uint32_t begin) const {
  const std::size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
  return to_code_points(to_valid_utf8(std::string_view(replacements_).substr(begin, end - begin)));
}

std::pair<std::size_t, std::uint32_t> PrecompiledCharsmap::longest(std::string_view part) const {
  std::pair<std::size_t, std::uint32_t> found{0, 0};
  std::uint32_t node = trie_.empty() ? 0 : offset(trie_[0]);
  for (std::size_t i = 0; i < part.size() && !trie_.empty(); ++i) {
    const auto byte = static_cast<unsigned char>(part[i]);
    node ^= byte;
    if (byte == 0 || node >= trie_.size() || label(trie_[node]) != byte) break;
    const std::uint32_t unit = trie_[node];
    node ^= offset(unit);
    if (has_leaf(unit) && node < trie_.size() && leaf_value(trie_[node]) < replacements_.size())
      found = {i + 1, leaf_value(trie_[node])};
  }
  return found;
}

void PrecompiledCharsmap::apply_longest(NormalizedString& text) const {
  constexpr std::size_t kLongestEntry = 64;  // code points
  const std::u32string& chars = text.chars();
  std::vector<CharChange> changes;
  changes.reserve(chars.size());
  for (std::size_t at = 0; at < chars.size();) {
    const std::string ahead = to_utf8(std::u32string_view(chars).substr(at, kLongestEntry));
    const auto [bytes, begin] = longest(ahead);
    if (bytes == 0 || !is_valid_utf8(std::string_view(ahead).substr(0, bytes))) {
      changes.push_back({chars[at++], 0});
      continue;
    }
    const std::size_t count = to_code_points(std::string_view(ahead).substr(0, bytes)).size();
    put_replacement(count, replacement(begin), changes);
    at += count;
  }
  text.transform(changes);
}

void PrecompiledCharsmap::apply(NormalizedString& text) const {
  const std::u32string& chars = text.chars();
  std::vector<CharChange> changes;
  changes.reserve(chars.size());
  bool modified = false;
  for (std::size_t begin = 0; begin < chars.size();) {
    const std::size_t end = grapheme_end(chars, begin);
    const std::string grapheme = to_utf8(std::u32string_view(chars).substr(begin, end - begin));
    std::optional<std::u32string> whole;
    if (grapheme.size() < kMaxGraphemeBytes) whole = lookup(grapheme);
    if (whole) {
      put_replacement(end - begin, *whole, changes);
      modified = true;
    }
    for (; !whole && begin < end; ++begin) {
      const auto one = lookup(to_utf8(std::u32string_view(chars).substr(begin, 1)));
      if (one) {
        put_replacement(1, *one, changes);
        modified = true;
      } else {
        changes.push_back({chars[begin], 0});
      }
    }
    begin = end;
  }
  if (modified) text.transform(changes);
}

}  // namespace vulcap::tokenizer
