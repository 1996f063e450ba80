// The tokens of a template with a place in them, shared by the two parsers. Internal to loader/chat.
#pragma once

#include <string_view>
#include <vector>

#include "loader/chat/lexer.h"

namespace vulcap::chat {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& now() const { return tokens_[at_]; }
  Token take() {
    Token token = now();
    if (token.kind != TokenKind::kEnd) ++at_;
    return token;
  }
  bool is(TokenKind kind) const { return now().kind == kind; }
  bool is_operator(std::string_view text) const { return is(TokenKind::kOperator) && now().text == text; }
  bool is_name(std::string_view text) const { return is(TokenKind::kName) && now().text == text; }
  bool next_is_name(std::string_view text) const {
    return at_ + 1 < tokens_.size() && tokens_[at_ + 1].kind == TokenKind::kName &&
           tokens_[at_ + 1].text == text;
  }
  bool skip_operator(std::string_view text) { return is_operator(text) && (take(), true); }
  bool skip_name(std::string_view text) { return is_name(text) && (take(), true); }
  void expect_operator(std::string_view text) {
    if (!skip_operator(text)) unexpected("'" + std::string(text) + "'");
  }
  std::string expect_name() {
    if (!is(TokenKind::kName)) unexpected("a name");
    return take().text;
  }
  void expect(TokenKind kind, std::string_view what) {
    if (!is(kind)) unexpected(std::string(what));
    take();
  }
  [[noreturn]] void unexpected(const std::string& wanted) const {
    const std::string found = is(TokenKind::kEnd)        ? "the template ends"
                              : is(TokenKind::kBlockEnd) ? "the block ends"
                              : is(TokenKind::kPrintEnd) ? "the tag ends"
                                                         : "'" + now().text + "' stands";
    syntax_error(now().line, found + " where " + wanted + " should be");
  }

  // Counts levels of nesting while it lives.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) {
      if (++stream_.level_ > kMaxLevels) syntax_error(stream_.now().line, "nests too deeply");
    }
    ~Level() { --stream_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    static constexpr int kMaxLevels = 200;
    TokenStream& stream_;
  };

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int level_ = 0;
};

}  // namespace vulcap::chat
