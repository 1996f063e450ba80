// Text of a caption while its tokens arrive one by one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/tokenizer/tokenizer.h"

namespace vulcap::tokenizer {

// The pieces put together are decode() of all ids. What a later token may still change is held back: an
// unfinished UTF-8 character, a run of byte-fallback tokens, and with clean-up the last few characters after
// a space.
class StreamDecoder {
 public:
  // Keeps a reference to `tokenizer`, which must live longer.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true,
                         std::optional<bool> clean_up_tokenization_spaces = std::nullopt);

  // What is out already: tokens whose text is not to be given again, but decides how the next ones read.
  void skip(std::span<const std::int64_t> ids);

  // The text that is certain with this token; often empty.
  std::string push(std::uint32_t id);

  // The text that was held back. The decoder then starts afresh.
  std::string finish();

 private:
  std::string decoded() const;
  std::string emit(const std::string& text, std::size_t end);

  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  bool clean_up_;
  std::vector<std::uint32_t> ids_;
  std::string emitted_;
};

}  // namespace vulcap::tokenizer
