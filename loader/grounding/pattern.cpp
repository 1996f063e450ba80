#define PCRE2_CODE_UNIT_WIDTH 8
#include "loader/grounding/pattern.h"

#include <pcre2.h>

#include <algorithm>
#include <new>

#include "runtime/core/error.h"

namespace vulcap::grounding {
namespace {

struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string message_of(int error) {
  PCRE2_UCHAR text[160] = {0};
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

void Pattern::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Pattern::Pattern(std::string_view pattern, const std::string& where) : where_(where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Of all newline characters Python's "." leaves out the line feed alone.
  const std::string text = "(*LF)" + std::string(pattern);
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (code_) return;
  throw core::Error(core::ErrorCode::kInvalidModel, where + ": the pattern '" + std::string(pattern) +
                                                        "' is not supported (" + message_of(error) + ")");
}

int Pattern::groups() const {
  uint32_t count = 0;
  pcre2_pattern_info(code_.get(), PCRE2_INFO_CAPTURECOUNT, &count);
  return int(count);
}

std::optional<Pattern::Match> Pattern::find_from(std::string_view text, size_t begin, bool not_empty) const {
  const std::unique_ptr<pcre2_match_data, MatchDataFree> data(
      pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  if (!data) throw std::bad_alloc();
  const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), begin,
                                not_empty ? PCRE2_NOTEMPTY_ATSTART : 0, data.get(), nullptr);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) {
    throw core::Error(core::ErrorCode::kRuntime,
                      where_ + ": the search of the generated text was given up (" + message_of(found) + ")");
  }
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
  Match match;
  for (int group = 0; group <= groups(); ++group) {
    const size_t from = offsets[2 * group], to = offsets[2 * group + 1];
    match.push_back(group < found && from != PCRE2_UNSET && from <= to ? text.substr(from, to - from)
                                                                       : std::string_view());
  }
  return match;
}

std::optional<Pattern::Match> Pattern::find_first(std::string_view text) const {
  return find_from(text, 0, false);
}

std::vector<Pattern::Match> Pattern::find_all(std::string_view text) const {
  std::vector<Match> matches;
  size_t at = 0;
  bool not_empty = false;  // an empty match may not be followed by another at its place
  while (auto match = find_from(text, at, not_empty)) {
    at = size_t(match->at(0).data() + match->at(0).size() - text.data());
    not_empty = match->at(0).empty();
    matches.push_back(std::move(*match));
  }
  return matches;
}

}  // namespace vulcap::grounding
