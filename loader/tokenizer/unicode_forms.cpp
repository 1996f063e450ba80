#include "loader/tokenizer/unicode_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>

namespace vulcap::tokenizer {
namespace {

constexpr char32_t kFirstAffected =
    0xC0;  // below it no form changes a character, except NFKC/NFKD from U+00A0 on
constexpr char32_t kFirstAffectedCompat = 0xA0;

int combining_class(char32_t c) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void decompose(char32_t c, bool compat, std::vector<CharChange>& out) {
  constexpr int kMaxDecomposition = 32;  // the longest (U+FDFA) has 18
  utf8proc_int32_t buffer[kMaxDecomposition];
  int boundary = 0;
  const int options = UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
  const utf8proc_ssize_t n =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, kMaxDecomposition,
                              static_cast<utf8proc_option_t>(options), &boundary);
  if (n <= 0 || n > kMaxDecomposition) {
    out.push_back({c, 0});
    return;
  }
  for (utf8proc_ssize_t i = 0; i < n; ++i) out.push_back({static_cast<char32_t>(buffer[i]), i > 0 ? 1 : 0});
}

// Stable order by combining class between starters.
void reorder(std::vector<CharChange>& chars) {
  for (std::size_t i = 0; i < chars.size();) {
    if (combining_class(chars[i].c) == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < chars.size() && combining_class(chars[end].c) != 0) ++end;
    std::stable_sort(
        chars.begin() + static_cast<std::ptrdiff_t>(i), chars.begin() + static_cast<std::ptrdiff_t>(end),
        [](const CharChange& a, const CharChange& b) { return combining_class(a.c) < combining_class(b.c); });
    i = end;
  }
}

std::optional<char32_t> compose_pair(char32_t a, char32_t b) {
  utf8proc_int32_t pair[3] = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b), 0};
  const utf8proc_ssize_t n =
      utf8proc_normalize_utf32(pair, 2, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  if (n != 1) return std::nullopt;
  return static_cast<char32_t>(pair[0]);
}

std::vector<CharChange> compose(const std::vector<CharChange>& chars) {
  std::vector<CharChange> out;
  std::optional<std::size_t> starter;  // index in out
  int last_class = -1;                 // of the last character kept after the starter, -1 when none
  for (const CharChange& next : chars) {
    const int klass = combining_class(next.c);
    if (starter && last_class < klass) {
      if (const auto composed = compose_pair(out[*starter].c, next.c)) {
        out[*starter] = {*composed, out[*starter].change + next.change - 1};
        continue;
      }
    }
    if (klass == 0) {
      starter = out.size();
      last_class = -1;
    } else {
      last_class = klass;
    }
    out.push_back(next);
  }
  return out;
}

}  // namespace

void apply_unicode_form(NormalizedString& text, UnicodeForm form) {
  const bool compat = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const char32_t first = compat ? kFirstAffectedCompat : kFirstAffected;
  const auto& chars = text.chars();
  if (std::all_of(chars.begin(), chars.end(), [&](char32_t c) { return c < first; })) return;
  std::vector<CharChange> changes;
  changes.reserve(chars.size());
  for (const char32_t c : chars) decompose(c, compat, changes);
  reorder(changes);
  if (form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc) changes = compose(changes);
  text.transform(changes);
}

}  // namespace vulcap::tokenizer
