// What a text becomes: parallel lists, one entry a token. Follows Encoding of Hugging Face tokenizers 0.22.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/tokenizer/normalized_string.h"

namespace vulcap::tokenizer {

struct Encoding {
  std::vector<std::uint32_t> ids;
  std::vector<std::string> tokens;
  std::vector<Span>
      offsets;  // code points of the text the token stems from; {0, 0} for tokens that were put in
  std::vector<std::uint32_t> type_ids;
  std::vector<std::uint32_t> attention_mask;
  std::vector<std::uint32_t> special_tokens_mask;
  std::vector<std::int32_t> word_ids;      // -1 where a token was put in
  std::vector<std::int32_t> sequence_ids;  // 0 first text, 1 second text, -1 where a token was put in
  std::vector<Encoding> overflowing;       // windows that truncation cut off

  std::size_t size() const { return ids.size(); }
  void push(std::uint32_t id, std::string token, Span offset, std::uint32_t type_id, std::int32_t word_id);
  // A token that stands for no text (cls, sep, pad ...).
  void push_special(std::uint32_t id, const std::string& token, std::uint32_t type_id);
  void set_type_ids(std::uint32_t type_id);
  void set_sequence_id(std::int32_t sequence_id);  // also of the overflowing windows
  // Appends `other`; overflowing windows are combined with each other as in the reference.
  void merge(const Encoding& other);
};

enum class Side { kLeft, kRight };
enum class TruncationStrategy { kLongestFirst, kOnlyFirst, kOnlySecond };

struct Truncation {
  std::size_t max_length = 512;  // special tokens included
  std::size_t stride = 0;        // tokens that neighbouring windows share
  TruncationStrategy strategy = TruncationStrategy::kLongestFirst;
  Side side = Side::kRight;  // where tokens are cut off
};

struct Padding {
  std::optional<std::size_t> fixed_length;  // without it the longest of the batch
  std::size_t multiple_of = 0;              // 0: no rounding up
  std::uint32_t id = 0;
  std::uint32_t type_id = 0;
  std::string token = "[PAD]";
  Side side = Side::kRight;
};

// Cuts one or two encodings (second may be null) to max_length tokens together.
// Throws core::Error(kRuntime): only_second without a second text, a text too short to cut, stride >= length.
void truncate(Encoding& first, Encoding* second, const Truncation& truncation);

void pad(std::vector<Encoding>& batch, const Padding& padding);

}  // namespace vulcap::tokenizer
