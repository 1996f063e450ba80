#include "loader/tokenizer/wordpiece.h"

#include <algorithm>

namespace vulcap::tokenizer {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

class WordPiece : public Model {
 public:
  explicit WordPiece(const Fields& fields)
      : unk_token_(fields.string_or("unk_token", "[UNK]")),
        max_chars_(fields.uint32_or("max_input_chars_per_word", 100)) {
    continuing_subword_prefix_ = fields.string_or("continuing_subword_prefix", "##");
    vocabulary_ = read_vocabulary(fields.require("vocab"), fields.where() + ".vocab");
    const auto id = vocabulary_.id_of(unk_token_);
    if (!id) fields.fail("unk_token '" + unk_token_ + "' is not in the vocabulary");
    unk_id_ = *id;
  }

  void tokenize(const std::string& word, std::vector<Token>& out) const override {
    const auto continuations = std::count_if(word.begin(), word.end(), is_continuation);
    const std::size_t first = out.size();
    bool known = word.size() - static_cast<std::size_t>(continuations) <= max_chars_;
    for (std::size_t at = 0; known && at < word.size();) {
      known = put_longest(word, at, out);
      if (known) at = out.back().end;
    }
    if (known) return;
    out.resize(first, Token{0, "", 0, 0});
    out.push_back({unk_id_, unk_token_, 0, word.size()});
  }

 private:
  bool put_longest(const std::string& word, std::size_t at, std::vector<Token>& out) const {
    for (std::size_t end = word.size(); end > at; --end) {
      if (end < word.size() && is_continuation(word[end])) continue;
      std::string piece = at > 0 ? continuing_subword_prefix_ : std::string();
      piece.append(word, at, end - at);
      if (const auto id = vocabulary_.id_of(piece)) {
        out.push_back({*id, std::move(piece), at, end});
        return true;
      }
    }
    return false;
  }

  std::string unk_token_;
  std::uint32_t max_chars_;
  std::uint32_t unk_id_ = 0;
};

}  // namespace

std::unique_ptr<Model> make_wordpiece(const Fields& fields) {
  fields.allow_only({"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  return std::make_unique<WordPiece>(fields);
}

}  // namespace vulcap::tokenizer
