#include "loader/tokenizer/normalizer.h"

#include <functional>
#include <unordered_map>

#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/precompiled.h"
#include "loader/tokenizer/regex.h"
#include "loader/tokenizer/unicode.h"
#include "loader/tokenizer/unicode_forms.h"

namespace vulcap::tokenizer {
namespace {

// Most stages need no state beyond what a lambda captures.
class FunctionNormalizer : public Normalizer {
 public:
  explicit FunctionNormalizer(std::function<void(NormalizedString&)> f) : f_(std::move(f)) {}
  void apply(NormalizedString& text) const override { f_(text); }

 private:
  std::function<void(NormalizedString&)> f_;
};

std::unique_ptr<Normalizer> from_function(std::function<void(NormalizedString&)> f) {
  return std::make_unique<FunctionNormalizer>(std::move(f));
}

std::unique_ptr<Normalizer> make_form(const Fields& fields, UnicodeForm form) {
  fields.allow_only({"type"});
  return from_function([form](NormalizedString& text) { apply_unicode_form(text, form); });
}

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void clean_text(NormalizedString& text) {
  text.keep_if([](char32_t c) {
    const bool spacing_control = c == '\t' || c == '\n' || c == '\r';
    return c != 0 && c != 0xFFFD && (spacing_control || !is_other(c));
  });
  text.map([](char32_t c) { return is_whitespace(c) ? U' ' : c; });
}

void put_spaces_around_cjk(NormalizedString& text) {
  std::vector<CharChange> changes;
  changes.reserve(text.size());
  for (const char32_t c : text.chars()) {
    if (is_cjk(c)) {
      changes.insert(changes.end(), {{U' ', 0}, {c, 1}, {U' ', 1}});
    } else {
      changes.push_back({c, 0});
    }
  }
  text.transform(changes);
}

std::unique_ptr<Normalizer> make_bert(const Fields& fields) {
  fields.allow_only({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  const bool clean = fields.boolean("clean_text");
  const bool cjk = fields.boolean("handle_chinese_chars");
  const bool lowercase = fields.boolean("lowercase");
  const bool strip_accents = fields.boolean_or("strip_accents", lowercase);
  return from_function([=](NormalizedString& text) {
    if (clean) clean_text(text);
    if (cjk) put_spaces_around_cjk(text);
    if (strip_accents) {
      apply_unicode_form(text, UnicodeForm::kNfd);
      text.keep_if([](char32_t c) { return !is_nonspacing_mark(c); });
    }
    if (lowercase) text.lowercase();
  });
}

std::unique_ptr<Normalizer> make_replace(const Fields& fields) {
  fields.allow_only({"type", "pattern", "content"});
  return from_function([pattern = Pattern(fields), content = fields.text("content")](NormalizedString& text) {
    text.replace(pattern.find(text.chars()), content);
  });
}

std::unique_ptr<Normalizer> make_strip(const Fields& fields) {
  fields.allow_only({"type", "strip_left", "strip_right"});
  const bool left = fields.boolean("strip_left");
  const bool right = fields.boolean("strip_right");
  return from_function([=](NormalizedString& text) { text.strip(left, right); });
}

std::unique_ptr<Normalizer> make_sequence(const Fields& fields) {
  fields.allow_only({"type", "normalizers"});
  std::vector<std::shared_ptr<const Normalizer>> parts;
  const Json& list = fields.array("normalizers");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = fields.where() + ".normalizers[" + std::to_string(i) + "]";
    parts.push_back(make_normalizer(Fields(list[i], where, fields.depth() + 1)));
  }
  return from_function([parts](NormalizedString& text) {
    for (const auto& part : parts) part->apply(text);
  });
}

std::unique_ptr<Normalizer> make_prepend(const Fields& fields) {
  fields.allow_only({"type", "prepend", "at_start"});
  // Set by the conversion of SigLIP: not behind a special token, and not where there is no text.
  const bool at_start = fields.boolean_or("at_start", false);
  return from_function([prefix = fields.text("prepend"), at_start](NormalizedString& text) {
    const bool wanted = !at_start || (!text.empty() && text.origins().front().begin == 0);
    if (wanted) text.prepend(prefix);
  });
}

std::unique_ptr<Normalizer> make_precompiled(const Fields& fields) {
  fields.allow_only({"type", "precompiled_charsmap", "longest_match"});
  auto map = std::make_shared<const PrecompiledCharsmap>(fields.string_or("precompiled_charsmap", ""),
                                                         fields.where());
  // Set by conversions of tokenizers that transformers runs with sentencepiece itself.
  const bool longest = fields.boolean_or("longest_match", false);
  return from_function(
      [map, longest](NormalizedString& text) { longest ? map->apply_longest(text) : map->apply(text); });
}

std::unique_ptr<Normalizer> make_plain(const Fields& fields, void (*f)(NormalizedString&)) {
  fields.allow_only({"type"});
  return from_function(f);
}

// Control characters go, every kind of blank becomes a space.
void apply_nmt(NormalizedString& text) {
  text.keep_if([](char32_t c) {
    return !((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
             c == 0x9F);
  });
  text.map([](char32_t c) {
    const bool blank = c == '\t' || c == '\n' || c == 0x0C || c == '\r' || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    return blank ? U' ' : c;
  });
}

using Maker = std::unique_ptr<Normalizer> (*)(const Fields&);

const std::unordered_map<std::string, Maker>& makers() {
  static const std::unordered_map<std::string, Maker> table = {
      {"NFC", [](const Fields& f) { return make_form(f, UnicodeForm::kNfc); }},
      {"NFD", [](const Fields& f) { return make_form(f, UnicodeForm::kNfd); }},
      {"NFKC", [](const Fields& f) { return make_form(f, UnicodeForm::kNfkc); }},
      {"NFKD", [](const Fields& f) { return make_form(f, UnicodeForm::kNfkd); }},
      {"Lowercase",
       [](const Fields& f) { return make_plain(f, [](NormalizedString& t) { t.lowercase(); }); }},
      {"StripAccents",
       [](const Fields& f) {
         return make_plain(f, [](NormalizedString& t) { t.keep_if([](char32_t c) { return !is_mark(c); }); });
       }},
      {"ByteLevel", [](const Fields& f) { return make_plain(f, to_byte_level); }},
      {"Nmt", [](const Fields& f) { return make_plain(f, apply_nmt); }},
      {"Strip", make_strip},
      {"Replace", make_replace},
      {"Prepend", make_prepend},
      {"BertNormalizer", make_bert},
      {"Sequence", make_sequence},
      {"Precompiled", make_precompiled},
  };
  return table;
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const Fields& fields) {
  const std::string type = fields.string("type");
  const auto it = makers().find(type);
  if (it == makers().end()) fields.fail_type("normalizer", type);
  return it->second(fields);
}

Pattern::Pattern(const Fields& fields) {
  const Fields pattern = fields.object("pattern");
  pattern.allow_only({"String", "Regex"});
  if (pattern.has("Regex")) {
    regex_ = std::make_shared<const Regex>(pattern.string("Regex"), pattern.where());
  } else {
    literal_ = pattern.text("String");
    if (literal_.empty()) pattern.fail("the string to find is empty");
  }
}

std::vector<Segment> Pattern::find(const std::u32string& text) const {
  return regex_ ? regex_->find(text) : find_literal(text, literal_);
}

}  // namespace vulcap::tokenizer
