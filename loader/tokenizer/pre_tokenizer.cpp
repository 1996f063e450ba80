#include "loader/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/normalizer.h"
#include "loader/tokenizer/regex.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

using Parts = std::vector<NormalizedString>;

// The words of GPT-2: contractions, letters, digits, other signs, white space.
constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class FunctionPreTokenizer : public PreTokenizer {
 public:
  using Function = std::function<void(NormalizedString, Parts&)>;
  explicit FunctionPreTokenizer(Function f) : f_(std::move(f)) {}
  void split(NormalizedString text, Parts& out) const override { f_(std::move(text), out); }

 private:
  Function f_;
};

std::unique_ptr<PreTokenizer> from_function(FunctionPreTokenizer::Function f) {
  return std::make_unique<FunctionPreTokenizer>(std::move(f));
}

SplitBehavior read_behavior(const Fields& fields, const char* fallback) {
  static const std::unordered_map<std::string, SplitBehavior> table = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  };
  const std::string name = fields.string_or("behavior", fallback);
  const auto it = table.find(name);
  if (it == table.end()) fields.fail("behavior '" + name + "' is not known");
  return it->second;
}

std::unique_ptr<PreTokenizer> split_on_chars(bool (*is_match)(char32_t), SplitBehavior behavior) {
  return from_function([=](NormalizedString text, Parts& out) {
    text.split(find_chars(text.chars(), is_match), behavior, out);
  });
}

std::unique_ptr<PreTokenizer> make_byte_level(const Fields& fields) {
  fields.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  const bool add_prefix_space = fields.boolean("add_prefix_space");
  fields.boolean("trim_offsets");
  std::shared_ptr<const Regex> regex;
  if (fields.boolean_or("use_regex", true))
    regex = std::make_shared<const Regex>(kGpt2Pattern, fields.where());
  return from_function([=](NormalizedString text, Parts& out) {
    if (text.empty()) return;
    if (add_prefix_space && text.chars().front() != U' ') text.prepend(U" ");
    const std::size_t first = out.size();
    if (regex) {
      text.split(regex->find(text.chars()), SplitBehavior::kIsolated, out);
    } else {
      out.push_back(std::move(text));
    }
    for (std::size_t i = first; i < out.size(); ++i) to_byte_level(out[i]);
  });
}

std::unique_ptr<PreTokenizer> make_split(const Fields& fields) {
  fields.allow_only({"type", "pattern", "behavior", "invert"});
  fields.require("behavior");
  const SplitBehavior behavior = read_behavior(fields, "");
  const bool inverted = fields.boolean("invert");
  return from_function([pattern = Pattern(fields), behavior, inverted](NormalizedString text, Parts& out) {
    std::vector<Segment> segments = pattern.find(text.chars());
    if (inverted) invert(segments);
    text.split(std::move(segments), behavior, out);
  });
}

std::unique_ptr<PreTokenizer> make_metaspace(const Fields& fields) {
  fields.allow_only({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  const char32_t mark = fields.character("replacement");
  const PrependScheme scheme = read_prepend_scheme(fields);
  const bool split = fields.boolean_or("split", true);
  return from_function([=](NormalizedString text, Parts& out) {
    if (text.empty()) return;
    text.map([mark](char32_t c) { return c == U' ' ? mark : c; });
    const bool wanted = scheme == PrependScheme::kAlways ||
                        (scheme == PrependScheme::kFirst && text.origins().front().begin == 0);
    if (wanted && text.chars().front() != mark) text.prepend(std::u32string_view(&mark, 1));
    if (!split) {
      out.push_back(std::move(text));
      return;
    }
    text.split(find_chars(text.chars(), [mark](char32_t c) { return c == mark; }),
               SplitBehavior::kMergedWithNext, out);
  });
}

// Runs of word characters and runs of other signs; white space is dropped.
void split_words_and_signs(NormalizedString text, Parts& out) {
  const auto kind = [&](std::size_t i) {
    const char32_t c = text.chars()[i];
    return is_word(c) ? 1 : is_whitespace(c) ? 0 : 2;
  };
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin + 1;
    while (end < text.size() && kind(end) == kind(begin)) ++end;
    if (kind(begin) != 0) out.push_back(text.slice(begin, end));
    begin = end;
  }
}

void split_bert(NormalizedString text, Parts& out) {
  Parts words;
  text.split(find_chars(text.chars(), is_whitespace), SplitBehavior::kRemoved, words);
  for (const NormalizedString& word : words) {
    word.split(find_chars(word.chars(), is_punctuation), SplitBehavior::kIsolated, out);
  }
}

std::unique_ptr<PreTokenizer> make_sequence(const Fields& fields) {
  fields.allow_only({"type", "pretokenizers"});
  std::vector<std::shared_ptr<const PreTokenizer>> stages;
  const Json& list = fields.array("pretokenizers");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = fields.where() + ".pretokenizers[" + std::to_string(i) + "]";
    stages.push_back(make_pre_tokenizer(Fields(list[i], where, fields.depth() + 1)));
  }
  return from_function([stages](NormalizedString text, Parts& out) {
    Parts parts;
    parts.push_back(std::move(text));
    for (const auto& stage : stages) {
      Parts next;
      for (NormalizedString& part : parts) stage->split(std::move(part), next);
      parts = std::move(next);
    }
    for (NormalizedString& part : parts) out.push_back(std::move(part));
  });
}

std::unique_ptr<PreTokenizer> make_digits(const Fields& fields) {
  fields.allow_only({"type", "individual_digits"});
  const bool individual = fields.boolean("individual_digits");
  return split_on_chars(is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

std::unique_ptr<PreTokenizer> make_punctuation(const Fields& fields) {
  fields.allow_only({"type", "behavior"});
  return split_on_chars(is_punctuation, read_behavior(fields, "Isolated"));
}

std::unique_ptr<PreTokenizer> make_char_delimiter(const Fields& fields) {
  fields.allow_only({"type", "delimiter"});
  const char32_t delimiter = fields.character("delimiter");
  return from_function([delimiter](NormalizedString text, Parts& out) {
    const auto is_delimiter = [delimiter](char32_t c) { return c == delimiter; };
    text.split(find_chars(text.chars(), is_delimiter), SplitBehavior::kRemoved, out);
  });
}

std::unique_ptr<PreTokenizer> make_fixed_length(const Fields& fields) {
  fields.allow_only({"type", "length"});
  const std::uint32_t length = fields.uint32_or("length", 5);
  if (length == 0) fields.fail("length must be at least 1");
  return from_function([length](NormalizedString text, Parts& out) {
    for (std::size_t begin = 0; begin < text.size(); begin += length)
      out.push_back(text.slice(begin, std::min<std::size_t>(begin + length, text.size())));
  });
}

std::unique_ptr<PreTokenizer> make_plain(const Fields& fields, std::unique_ptr<PreTokenizer> stage) {
  fields.allow_only({"type"});
  return stage;
}

using Maker = std::unique_ptr<PreTokenizer> (*)(const Fields&);

const std::unordered_map<std::string, Maker>& makers() {
  static const std::unordered_map<std::string, Maker> table = {
      {"ByteLevel", make_byte_level},
      {"Split", make_split},
      {"Metaspace", make_metaspace},
      {"Sequence", make_sequence},
      {"Digits", make_digits},
      {"Punctuation", make_punctuation},
      {"CharDelimiterSplit", make_char_delimiter},
      {"FixedLength", make_fixed_length},
      {"Whitespace", [](const Fields& f) { return make_plain(f, from_function(split_words_and_signs)); }},
      {"WhitespaceSplit",
       [](const Fields& f) { return make_plain(f, split_on_chars(is_whitespace, SplitBehavior::kRemoved)); }},
      {"BertPreTokenizer", [](const Fields& f) { return make_plain(f, from_function(split_bert)); }},
  };
  return table;
}

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Fields& fields) {
  const std::string type = fields.string("type");
  const auto it = makers().find(type);
  if (it == makers().end()) fields.fail_type("pre_tokenizer", type);
  return it->second(fields);
}

std::vector<Piece> pre_tokenize(const PreTokenizer* pre_tokenizer, std::vector<Piece> pieces) {
  if (pre_tokenizer == nullptr) return pieces;
  std::vector<Piece> out;
  Parts parts;
  for (Piece& piece : pieces) {
    if (piece.added_token) {
      out.push_back(std::move(piece));
      continue;
    }
    parts.clear();
    pre_tokenizer->split(std::move(piece.text), parts);
    for (NormalizedString& part : parts) {
      if (!part.empty()) out.push_back({std::move(part), std::nullopt});
    }
  }
  return out;
}

PrependScheme read_prepend_scheme(const Fields& fields) {
  const std::string name = fields.string_or("prepend_scheme", "always");
  const bool prefix = fields.boolean_or("add_prefix_space", true);
  if (name == "never") return PrependScheme::kNever;
  if (name != "always" && name != "first") fields.fail("prepend_scheme '" + name + "' is not known");
  if (!prefix && fields.has("prepend_scheme")) fields.fail("add_prefix_space contradicts prepend_scheme");
  if (!prefix) return PrependScheme::kNever;
  return name == "first" ? PrependScheme::kFirst : PrependScheme::kAlways;
}

}  // namespace vulcap::tokenizer
