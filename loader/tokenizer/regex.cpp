#define PCRE2_CODE_UNIT_WIDTH 8
#include "loader/tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <utility>

#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

// Oniguruma's \s is White_Space; PCRE2's also takes U+180E. Its \w is wider than PCRE2's and knows a few
// fractions.
constexpr std::string_view kSpaceClass =
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";
constexpr std::string_view kWordClass =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::string_view kHexClass = "0-9a-fA-F";

constexpr std::pair<std::string_view, std::string_view> kPosixClasses[] = {
    {"alpha", "\\p{Alphabetic}"}, {"alnum", "\\p{Alphabetic}\\p{Nd}"}, {"digit", "\\p{Nd}"},
    {"space", kSpaceClass},       {"upper", "\\p{Uppercase}"},         {"lower", "\\p{Lowercase}"},
    {"word", kWordClass},         {"punct", "\\p{P}\\p{S}"},           {"xdigit", kHexClass},
};

class Translator {
 public:
  Translator(std::string_view in, const std::string& where) : in_(in), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape(false);
      } else if (c == '[') {
        mark_atom();
        char_class();
      } else if (c == '(') {
        groups_.push_back(out_.size());
        copy(1);
      } else if (c == ')') {
        atom_ = groups_.empty() ? out_.size() : groups_.back();
        if (!groups_.empty()) groups_.pop_back();
        copy(1);
      } else if (c == '{') {
        repeat();
      } else {
        if (c != '*' && c != '+' && c != '?') mark_atom();
        copy(1);
      }
    }
    return out_;
  }

 private:
  void copy(std::size_t n) {
    out_.append(in_.substr(at_, n));
    at_ += n;
  }

  void mark_atom() { atom_ = out_.size(); }

  bool follows(std::string_view text) const { return in_.substr(at_, text.size()) == text; }

  void escape(bool in_class) {
    if (!in_class) mark_atom();
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    if (c == 's' || c == 'w' || c == 'h') {
      const std::string_view members = c == 's' ? kSpaceClass : c == 'w' ? kWordClass : kHexClass;
      put_class(members, in_class, false);
    } else if ((c == 'S' || c == 'W' || c == 'H') && !in_class) {
      put_class(c == 'S' ? kSpaceClass : c == 'W' ? kWordClass : kHexClass, false, true);
    } else if ((c == 'b' || c == 'B') && !in_class) {
      boundary(c == 'b');
    } else if (c == 'H' && in_class) {
      fail_invalid(where_, "regex class with \\H is not supported");
    } else if (c == 'u' && at_ + 6 <= in_.size()) {
      out_ += "\\x{" + std::string(in_.substr(at_ + 2, 4)) + "}";
      at_ += 6;
    } else if ((c == 'p' || c == 'P') && at_ + 2 < in_.size() && in_[at_ + 2] == '{') {
      const std::size_t close = in_.find('}', at_);
      copy(close == std::string_view::npos ? in_.size() - at_ : close + 1 - at_);
    } else {
      copy(c == '\0' ? 1 : 2);
    }
  }

  void put_class(std::string_view members, bool in_class, bool negated) {
    if (!in_class) out_ += negated ? "[^" : "[";
    out_ += members;
    if (!in_class) out_ += ']';
    at_ += 2;
  }

  void posix_class() {
    const std::size_t close = std::min(in_.find(":]", at_), in_.size());
    const std::string_view name = in_.substr(at_ + 2, close - std::min(close, at_ + 2));
    for (const auto& [known, members] : kPosixClasses) {
      if (name != known) continue;
      out_ += members;
      at_ = close + 2;
      return;
    }
    fail_invalid(where_, "regex class [:" + std::string(name) + ":] is not supported");
  }

  // A word boundary by Ruby's \w.
  void boundary(bool wanted) {
    const std::string word = "[" + std::string(kWordClass) + "]";
    const std::string after = wanted ? "!" : "=";
    const std::string before = wanted ? "=" : "!";
    out_ += "(?:(?<=" + word + ")(?" + after + word + ")|(?<!" + word + ")(?" + before + word + "))";
    at_ += 2;
  }

  // A positive class nested in another is a union, so its brackets can go.
  void char_class() {
    copy(1);
    if (follows("^")) copy(1);
    if (follows("]")) {
      out_ += "\\]";
      ++at_;
    }
    int depth = 1;
    while (at_ < in_.size() && depth > 0) {
      const char c = in_[at_];
      if (c == '\\') {
        escape(true);
      } else if (follows("[:")) {
        posix_class();
      } else if (follows("[^") || follows("&&")) {
        fail_invalid(where_, "regex uses a negated nested class or &&, which is not supported");
      } else if (c == '[') {
        ++depth;
        ++at_;
      } else if (c == ']') {
        if (--depth == 0) out_ += ']';
        ++at_;
      } else {
        copy(1);
      }
    }
  }

  // x{1,3}+ is a repeated repeat in Ruby, possessive in PCRE2.
  void repeat() {
    const std::size_t close = in_.find('}', at_);
    if (close == std::string_view::npos) {
      mark_atom();
      copy(1);
      return;
    }
    copy(close + 1 - at_);
    if (!follows("+")) return;
    out_.insert(std::min(atom_, out_.size()), "(?:");
    out_ += ')';
    copy(1);
  }

  std::string_view in_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::size_t atom_ = 0;  // where the latest atom begins in out_
  std::vector<std::size_t> groups_;
  std::string out_;
};

struct MatchDataFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// Character index of every byte of the UTF-8 text, and of its end.
std::vector<std::uint32_t> char_index_of_bytes(const std::u32string& text, std::string& utf8) {
  std::vector<std::uint32_t> index;
  index.reserve(text.size() + 1);
  for (std::uint32_t i = 0; i < text.size(); ++i) {
    append_utf8(utf8, text[i]);
    index.resize(utf8.size(), i);
  }
  index.push_back(static_cast<std::uint32_t>(text.size()));
  return index;
}

}  // namespace

std::string ruby_to_pcre2(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Regex::Regex(std::string_view ruby_pattern, const std::string& where) : where_(where) {
  const std::string pattern = ruby_to_pcre2(ruby_pattern, where);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Ruby's ^ and $ always match at lines.
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                            &offset, nullptr));
  if (code_) return;
  PCRE2_UCHAR message[160] = {0};
  pcre2_get_error_message(error, message, sizeof message);
  fail_invalid(where, "regex '" + std::string(ruby_pattern) + "' is not supported (" +
                          reinterpret_cast<const char*>(message) + ")");
}

std::vector<Segment> Regex::find(const std::u32string& text) const {
  std::vector<Segment> out;
  std::string utf8;
  const std::vector<std::uint32_t> chars = char_index_of_bytes(text, utf8);
  const std::unique_ptr<pcre2_match_data, MatchDataFree> data(
      pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  if (!data) throw std::bad_alloc();
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(utf8.data());
  std::size_t from = 0;
  std::size_t rest = 0;
  bool previous_match = false;
  while (from <= utf8.size()) {
    const int rc =
        pcre2_match(code_.get(), subject, utf8.size(), from, PCRE2_NO_UTF_CHECK, data.get(), nullptr);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) fail_invalid(where_, "regex gave up on this text (PCRE2 error " + std::to_string(rc) + ")");
    const PCRE2_SIZE* found = pcre2_get_ovector_pointer(data.get());
    const std::size_t begin = found[0];
    const std::size_t end = std::max(found[0], found[1]);
    if (begin == end && previous_match && begin == rest) {
      // An empty match right after a match does not count; step over one character.
      if (from >= utf8.size()) break;
      from += utf8_length(text[chars[from]]);
      previous_match = false;
      continue;
    }
    if (rest < begin) out.push_back({chars[rest], chars[begin], false});
    out.push_back({chars[begin], chars[end], true});
    rest = from = end;
    previous_match = true;
  }
  if (rest < utf8.size()) out.push_back({chars[rest], text.size(), false});
  return out;
}

}  // namespace vulcap::tokenizer
