// SentencePiece's compiled normalisation rules (normalizer "Precompiled"): a Darts double-array trie from
// byte strings to offsets in a block of zero-terminated replacements. Follows the crate `spm_precompiled`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/tokenizer/normalized_string.h"

namespace vulcap::tokenizer {

class PrecompiledCharsmap {
 public:
  // `base64` is {uint32 trie bytes, trie, replacements}, little endian; empty means no rules.
  PrecompiledCharsmap(const std::string& base64, const std::string& where);

  // As tokenizers does it: a whole grapheme of fewer than 6 bytes is looked up first, then its characters one
  // by one.
  void apply(NormalizedString& text) const;
  // As sentencepiece does it: the longest entry at each place.
  void apply_longest(NormalizedString& text) const;

 private:
  std::u32string replacement(std::uint32_t begin) const;
  // Length in bytes of the longest entry that `part` begins with, 0 without one, and where its replacement
  // begins.
  std::pair<std::size_t, std::uint32_t> longest(std::string_view part) const;
  std::optional<std::u32string> lookup(std::string_view part) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace vulcap::tokenizer
