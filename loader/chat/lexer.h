// A chat template's source -> tokens, with Jinja's rules for white space under transformers' settings:
// trim_blocks and lstrip_blocks on, keep_trailing_newline off.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vulcap::chat {

enum class TokenKind {
  kText,        // outside of tags
  kPrintBegin,  // {{
  kPrintEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,  // text holds the value
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  int line = 1;
};

// The last token is kEnd. Throws core::Error(kInvalidModel) with the line.
std::vector<Token> tokenize(std::string_view source);

// core::Error(kInvalidModel), "chat template line N: message".
[[noreturn]] void syntax_error(int line, const std::string& message);

}  // namespace vulcap::chat
