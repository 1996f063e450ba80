#include "loader/tokenizer/decoder.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/normalizer.h"
#include "loader/tokenizer/pre_tokenizer.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

using Tokens = std::vector<std::string>;

class FunctionDecoder : public Decoder {
 public:
  explicit FunctionDecoder(std::function<Tokens(Tokens)> f) : f_(std::move(f)) {}
  Tokens decode(Tokens tokens) const override { return f_(std::move(tokens)); }

 private:
  std::function<Tokens(Tokens)> f_;
};

std::unique_ptr<Decoder> from_function(std::function<Tokens(Tokens)> f) {
  return std::make_unique<FunctionDecoder>(std::move(f));
}

std::string join(const Tokens& tokens) {
  std::string out;
  for (const std::string& t : tokens) out += t;
  return out;
}

// A token with a character that is no stand-in of a byte is taken as it is.
std::string bytes_of_token(const std::string& token) {
  std::string bytes;
  for (const char32_t c : to_code_points(token)) {
    const auto byte = byte_of_char(c);
    if (!byte) return token;
    bytes.push_back(static_cast<char>(*byte));
  }
  return bytes;
}

std::unique_ptr<Decoder> make_byte_level(const Fields& fields) {
  fields.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  return from_function([](Tokens tokens) {
    std::string bytes;
    for (const std::string& t : tokens) bytes += bytes_of_token(t);
    return Tokens{to_valid_utf8(bytes)};
  });
}

void clean_up_wordpiece(std::string& text) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

std::unique_ptr<Decoder> make_wordpiece(const Fields& fields) {
  fields.allow_only({"type", "prefix", "cleanup"});
  return from_function(
      [prefix = fields.string("prefix"), cleanup = fields.boolean("cleanup")](Tokens tokens) {
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          std::string& t = tokens[i];
          if (i > 0) t = t.starts_with(prefix) ? t.substr(prefix.size()) : " " + t;
          if (cleanup) clean_up_wordpiece(t);
        }
        return tokens;
      });
}

// Connectionist temporal classification: repeated tokens and pads between them go.
std::unique_ptr<Decoder> make_ctc(const Fields& fields) {
  fields.allow_only({"type", "pad_token", "word_delimiter_token", "cleanup"});
  return from_function([pad = fields.string("pad_token"), delimiter = fields.string("word_delimiter_token"),
                        cleanup = fields.boolean("cleanup")](Tokens tokens) {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    Tokens out;
    for (std::string& token : tokens) {
      replace_all(token, pad, "");
      if (cleanup) {
        clean_up_wordpiece(token);
        replace_all(token, delimiter, " ");
      }
      if (!token.empty()) out.push_back(std::move(token));
    }
    return out;
  });
}

std::unique_ptr<Decoder> make_metaspace(const Fields& fields) {
  fields.allow_only({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  const char32_t mark = fields.character("replacement");
  const bool drops_first = read_prepend_scheme(fields) != PrependScheme::kNever;
  return from_function([=](Tokens tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string out;
      for (const char32_t c : to_code_points(tokens[i])) {
        if (c != mark) {
          append_utf8(out, c);
        } else if (i > 0 || !drops_first) {
          out.push_back(' ');
        }
      }
      tokens[i] = std::move(out);
    }
    return tokens;
  });
}

std::unique_ptr<Decoder> make_bpe(const Fields& fields) {
  fields.allow_only({"type", "suffix"});
  return from_function([suffix = fields.string("suffix")](Tokens tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      replace_all(tokens[i], suffix, i + 1 == tokens.size() ? "" : " ");
    return tokens;
  });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<char> byte_of_token(const std::string& t) {
  if (t.size() != 6 || !t.starts_with("<0x") || t.back() != '>') return std::nullopt;
  const int high = hex_digit(t[3]);
  const int low = hex_digit(t[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

// A run of byte tokens is text when it is UTF-8 as a whole, otherwise one U+FFFD a byte.
void flush_bytes(std::string& bytes, Tokens& out) {
  if (is_valid_utf8(bytes)) {
    if (!bytes.empty()) out.push_back(bytes);
  } else {
    out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
  }
  bytes.clear();
}

Tokens decode_byte_fallback(Tokens tokens) {
  Tokens out;
  std::string bytes;
  for (std::string& t : tokens) {
    if (const auto byte = byte_of_token(t)) {
      bytes.push_back(*byte);
      continue;
    }
    flush_bytes(bytes, out);
    out.push_back(std::move(t));
  }
  flush_bytes(bytes, out);
  return out;
}

std::unique_ptr<Decoder> make_strip(const Fields& fields) {
  fields.allow_only({"type", "content", "start", "stop"});
  const char32_t content = fields.character("content");
  const std::size_t start = fields.uint32("start");
  const std::size_t stop = fields.uint32("stop");
  return from_function([=](Tokens tokens) {
    for (std::string& t : tokens) {
      const std::u32string chars = to_code_points(t);
      std::size_t begin = 0;
      while (begin < chars.size() && begin < start && chars[begin] == content) ++begin;
      std::size_t end = chars.size();
      while (end > begin && chars.size() - end < stop && chars[end - 1] == content) --end;
      t = to_utf8(std::u32string_view(chars).substr(begin, end - begin));
    }
    return tokens;
  });
}

std::unique_ptr<Decoder> make_replace(const Fields& fields) {
  fields.allow_only({"type", "pattern", "content"});
  return from_function([pattern = Pattern(fields), content = fields.text("content")](Tokens tokens) {
    for (std::string& t : tokens) {
      NormalizedString text(to_code_points(t));
      text.replace(pattern.find(text.chars()), content);
      t = to_utf8(text.chars());
    }
    return tokens;
  });
}

std::unique_ptr<Decoder> make_sequence(const Fields& fields) {
  fields.allow_only({"type", "decoders"});
  std::vector<std::shared_ptr<const Decoder>> stages;
  const Json& list = fields.array("decoders");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = fields.where() + ".decoders[" + std::to_string(i) + "]";
    stages.push_back(make_decoder(Fields(list[i], where, fields.depth() + 1)));
  }
  return from_function([stages](Tokens tokens) {
    for (const auto& stage : stages) tokens = stage->decode(std::move(tokens));
    return tokens;
  });
}

std::unique_ptr<Decoder> make_plain(const Fields& fields, Tokens (*f)(Tokens)) {
  fields.allow_only({"type"});
  return from_function(f);
}

using Maker = std::unique_ptr<Decoder> (*)(const Fields&);

const std::unordered_map<std::string, Maker>& makers() {
  static const std::unordered_map<std::string, Maker> table = {
      {"ByteLevel", make_byte_level},
      {"WordPiece", make_wordpiece},
      {"Metaspace", make_metaspace},
      {"CTC", make_ctc},
      {"BPEDecoder", make_bpe},
      {"Strip", make_strip},
      {"Replace", make_replace},
      {"Sequence", make_sequence},
      {"ByteFallback", [](const Fields& f) { return make_plain(f, decode_byte_fallback); }},
      {"Fuse", [](const Fields& f) { return make_plain(f, [](Tokens t) { return Tokens{join(t)}; }); }},
  };
  return table;
}

}  // namespace

std::unique_ptr<Decoder> make_decoder(const Fields& fields) {
  const std::string type = fields.string("type");
  const auto it = makers().find(type);
  if (it == makers().end()) fields.fail_type("decoder", type);
  return it->second(fields);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  std::string out;
  std::size_t rest = 0;
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, rest)) {
    out.append(text, rest, at - rest).append(to);
    rest = at + from.size();
  }
  if (rest == 0) return;
  text = out.append(text, rest);
}

}  // namespace vulcap::tokenizer
