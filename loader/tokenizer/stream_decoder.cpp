#include "loader/tokenizer/stream_decoder.h"

#include <algorithm>
#include <string_view>

namespace vulcap::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::size_t kLongestCleanUpRule = 4;  // " n't", " 've"

// "<0x0A>": one byte invalidates the others of its run, so they are known together.
bool is_byte(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
}

// Where the part begins that more bytes may complete to other characters.
std::size_t certain_utf8_end(std::string_view text) {
  std::size_t end = text.size();
  while (end >= kReplacement.size() &&
         text.substr(end - kReplacement.size(), kReplacement.size()) == kReplacement) {
    end -= kReplacement.size();
  }
  return end;
}

// Where the part begins that clean-up may still shorten.
std::size_t certain_clean_end(std::string_view text, std::size_t end) {
  const std::size_t from = end > kLongestCleanUpRule ? end - kLongestCleanUpRule : 0;
  const std::size_t space = text.substr(0, end).find(' ', from);
  return space == std::string_view::npos ? end : space;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens,
                             std::optional<bool> clean_up_tokenization_spaces)
    : tokenizer_(tokenizer),
      skip_special_tokens_(skip_special_tokens),
      clean_up_(clean_up_tokenization_spaces.value_or(tokenizer.clean_up_by_default())) {}

void StreamDecoder::skip(std::span<const std::int64_t> ids) {
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  emitted_ = decoded();
}

std::string StreamDecoder::push(std::uint32_t id) {
  ids_.push_back(id);
  if (is_byte(tokenizer_.token_of(id).value_or(""))) return {};
  const std::string text = decoded();
  std::size_t end = certain_utf8_end(text);
  if (clean_up_) end = certain_clean_end(text, end);
  if (end <= emitted_.size() || !text.starts_with(emitted_)) return {};
  return emit(text, end);
}

std::string StreamDecoder::finish() {
  const std::string text = decoded();
  const auto [same, rest] = std::mismatch(emitted_.begin(), emitted_.end(), text.begin(), text.end());
  auto begin = static_cast<std::size_t>(rest - text.begin());
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  ids_.clear();
  emitted_.clear();
  return text.substr(begin);
}

std::string StreamDecoder::decoded() const {
  return tokenizer_.decode(std::span<const std::uint32_t>(ids_), skip_special_tokens_, clean_up_);
}

std::string StreamDecoder::emit(const std::string& text, std::size_t end) {
  std::string piece = text.substr(emitted_.size(), end - emitted_.size());
  emitted_ += piece;
  return piece;
}

}  // namespace vulcap::tokenizer
