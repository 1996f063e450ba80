#include "loader/chat/lexer.h"

#include <algorithm>
#include <array>

#include "loader/chat/text.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::chat {
namespace {

constexpr std::string_view kBlank = " \t\r\n\v\f";
constexpr size_t kNone = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Every line ends in \n; the last one in nothing.
std::string with_plain_newlines(std::string_view source) {
  std::string result;
  for (size_t i = 0; i < source.size(); ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!pair) result += source[i] == '\r' ? '\n' : source[i];
  }
  if (result.ends_with('\n')) result.pop_back();
  return result;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) read_text_and_tag();
    emit(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view text) const {
    return std::string_view(source_).substr(at_).starts_with(text);
  }
  // Bytes of the name that begins here; 0: none does.
  size_t name_bytes() const;
  void emit(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(size_t count) {
    line_ += int(std::count(source_.begin() + int64_t(at_), source_.begin() + int64_t(at_ + count), '\n'));
    at_ += count;
  }
  void skip_blanks() { advance(std::min(source_.find_first_not_of(kBlank, at_), source_.size()) - at_); }
  void emit_text(std::string_view text, char sign, bool is_print);
  void read_text_and_tag();
  void read_comment();
  bool read_raw(bool emit_it, size_t text_end);
  size_t raw_length() const;
  void read_raw_text();
  void read_tag(bool is_print);
  bool read_tag_end(bool is_print);
  void finish_block(char sign);
  void read_token();
  void read_number();
  void read_string();
  void read_escape(std::string& text);
  char32_t read_hex(size_t digits);

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // what was read last ended a line
  std::string open_;           // brackets of the current tag
  std::vector<Token> tokens_;
};

// White space before a tag goes where the tag says "-", and before a block alone on its line.
void Lexer::emit_text(std::string_view text, char sign, bool is_print) {
  std::string kept(text);
  if (sign == '-') {
    kept = strip(text, Side::kRight);
  } else if (sign != '+' && !is_print) {
    const size_t newline = text.rfind('\n');
    const size_t line = newline == kNone ? 0 : newline + 1;
    const bool at_start = line > 0 || line_starting_;
    if (at_start && text.find_first_not_of(kBlank, line) == kNone) kept = text.substr(0, line);
  }
  if (!kept.empty()) emit(TokenKind::kText, std::move(kept));
}

void Lexer::read_text_and_tag() {
  size_t tag = at_;
  const auto opens = [&](size_t i) {
    return source_[i] == '{' && i + 1 < source_.size() &&
           (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#');
  };
  while (tag < source_.size() && !opens(tag)) ++tag;
  const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
  if (tag == source_.size()) {
    if (!text.empty()) emit(TokenKind::kText, std::string(text));
    advance(text.size());
    return;
  }
  const char kind = source_[tag + 1];
  const char next = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
  const char sign = next == '-' || next == '+' ? next : '\0';
  emit_text(text, sign, kind == '{');
  advance(text.size());
  if (const size_t raw = kind == '%' ? raw_length() : 0; raw > 0) {
    advance(raw);
    read_raw_text();
    return;
  }
  advance(sign != '\0' ? 3 : 2);
  if (kind == '#') {
    read_comment();
  } else {
    read_tag(kind == '{');
  }
}

void Lexer::read_comment() {
  const int line = line_;
  const size_t begin = at_;
  const size_t end = source_.find("#}", at_);
  if (end == kNone) syntax_error(line, "the comment that begins here has no #}");
  const char sign = end > begin ? source_[end - 1] : '\0';
  advance(end + 2 - at_);
  finish_block(sign);
}

// What follows the end of a block or comment: "-" takes all white space, else one line break goes.
void Lexer::finish_block(char sign) {
  if (sign == '-') {
    skip_blanks();
  } else if (sign != '+' && peek() == '\n') {
    advance(1);
  }
  line_starting_ = source_[at_ - 1] == '\n';
}

// Length of "{% raw %}" at this place, else 0.
size_t Lexer::raw_length() const {
  size_t i = at_ + 2;
  const auto skip = [&] { i = std::min(source_.find_first_not_of(kBlank, i), source_.size()); };
  if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
  skip();
  if (source_.compare(i, 3, "raw") != 0) return 0;
  i += 3;
  skip();
  if (source_.compare(i, 2, "%}") == 0) return i + 2 - at_;
  if (source_.compare(i, 3, "-%}") != 0) return 0;
  i += 3;
  skip();
  return i - at_;
}

void Lexer::read_raw_text() {
  const int line = line_;
  for (size_t tag = source_.find("{%", at_); tag != kNone; tag = source_.find("{%", tag + 1)) {
    size_t i = tag + 2;
    const char sign = i < source_.size() ? source_[i] : '\0';
    if (sign == '-' || sign == '+') ++i;
    i = std::min(source_.find_first_not_of(kBlank, i), source_.size());
    if (source_.compare(i, 6, "endraw") != 0) continue;
    i = std::min(source_.find_first_not_of(kBlank, i + 6), source_.size());
    const char end_sign = source_[std::min(i, source_.size() - 1)];
    if (end_sign == '-' || end_sign == '+') ++i;
    if (source_.compare(i, 2, "%}") != 0) continue;
    line_starting_ = source_[at_ - 1] == '\n';
    emit_text(std::string_view(source_).substr(at_, tag - at_), sign, false);
    advance(i + 2 - at_);
    finish_block(end_sign);
    return;
  }
  syntax_error(line, "the raw block that begins here has no endraw");
}

void Lexer::read_tag(bool is_print) {
  const int line = line_;
  emit(is_print ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, "");
  open_.clear();
  while (true) {
    skip_blanks();
    if (at_ >= source_.size())
      syntax_error(line, std::string("the tag that begins here has no ") + (is_print ? "}}" : "%}"));
    if (open_.empty() && read_tag_end(is_print)) return;
    read_token();
  }
}

bool Lexer::read_tag_end(bool is_print) {
  const std::string_view end = is_print ? "}}" : "%}";
  const char sign = peek();
  const bool signed_end = sign == '-' || (sign == '+' && !is_print);
  if (!std::string_view(source_)
           .substr(std::min(at_ + (signed_end ? 1 : 0), source_.size()))
           .starts_with(end))
    return false;
  emit(is_print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, "");
  advance(end.size() + (signed_end ? 1 : 0));
  if (is_print && sign != '-') {
    line_starting_ = false;
  } else {
    finish_block(signed_end ? sign : '\0');
  }
  return true;
}

size_t Lexer::name_bytes() const {
  size_t end = at_;
  while (end < source_.size()) {
    const std::string_view c = std::string_view(source_).substr(end, char_bytes(source_, end));
    if (!tokenizer::is_word(code_point(c))) break;
    end += c.size();
  }
  return end - at_;
}

void Lexer::read_token() {
  if (is_digit(peek())) return read_number();
  if (peek() == '"' || peek() == '\'') return read_string();
  if (const size_t length = name_bytes(); length > 0) {
    emit(TokenKind::kName, source_.substr(at_, length));
    return advance(length);
  }
  constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", "<=", ">="};
  const auto pair =
      std::find_if(kPairs.begin(), kPairs.end(), [&](std::string_view text) { return looking_at(text); });
  const std::string text = pair != kPairs.end() ? std::string(*pair) : std::string(1, peek());
  if (text.size() == 1 && std::string_view("+-*/%~[](){}<>=.:|,;").find(text) == kNone)
    syntax_error(line_, "unexpected character '" + source_.substr(at_, char_bytes(source_, at_)) + "'");
  if (std::string_view("([{").find(text) != kNone) open_ += text == "(" ? ')' : text == "[" ? ']' : '}';
  if (std::string_view(")]}").find(text) != kNone) {
    if (open_.empty() || open_.back() != text[0]) syntax_error(line_, "unexpected '" + text + "'");
    open_.pop_back();
  }
  emit(TokenKind::kOperator, text);
  advance(text.size());
}

void Lexer::read_number() {
  size_t length = 0;
  const auto digits = [&] {
    while (is_digit(peek(length)) || (peek(length) == '_' && is_digit(peek(length + 1)))) ++length;
  };
  digits();
  TokenKind kind = TokenKind::kInteger;
  const bool after_dot = !tokens_.empty() && tokens_.back().text == ".";
  if (!after_dot && peek(length) == '.' && is_digit(peek(length + 1))) {
    kind = TokenKind::kFloat;
    ++length;
    digits();
  }
  const size_t sign = peek(length + 1) == '-' || peek(length + 1) == '+' ? 1 : 0;
  if (!after_dot && (peek(length) == 'e' || peek(length) == 'E') && is_digit(peek(length + 1 + sign))) {
    kind = TokenKind::kFloat;
    length += 1 + sign;
    digits();
  }
  std::string text = source_.substr(at_, length);
  text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
  emit(kind, std::move(text));
  advance(length);
}

void Lexer::read_string() {
  const int line = line_;
  const char quote = peek();
  std::string text;
  advance(1);
  while (peek() != quote || at_ >= source_.size()) {
    if (at_ >= source_.size()) syntax_error(line, "the string that begins here has no end");
    if (peek() == '\\') {
      read_escape(text);
    } else {
      text += peek();
      advance(1);
    }
  }
  advance(1);
  tokens_.push_back({TokenKind::kString, std::move(text), line});
}

// Python's escapes; a backslash before another character stays.
void Lexer::read_escape(std::string& text) {
  constexpr std::string_view kNames = "ntr\\'\"abfv", kValues = "\n\t\r\\'\"\a\b\f\v";
  const char name = peek(1);
  if (const size_t known = kNames.find(name); known != kNone && name != '\0') {
    text += kValues[known];
    return advance(2);
  }
  if (name == '\n') return advance(2);
  if (name == 'x' || name == 'u' || name == 'U') {
    tokenizer::append_utf8(text, read_hex(name == 'x' ? 2 : name == 'u' ? 4 : 8));
    return;
  }
  if (name >= '0' && name <= '7') {
    char32_t value = 0;
    size_t length = 1;
    for (; length < 4 && peek(length) >= '0' && peek(length) <= '7'; ++length)
      value = value * 8 + char32_t(peek(length) - '0');
    tokenizer::append_utf8(text, value);
    return advance(length);
  }
  if (name == 'N') syntax_error(line_, "\\N{...} is not supported in a string");
  text += '\\';
  advance(1);
}

char32_t Lexer::read_hex(size_t digits) {
  char32_t value = 0;
  for (size_t i = 2; i < 2 + digits; ++i) {
    const size_t digit = std::string_view("0123456789abcdef").find(char(peek(i) | 0x20));
    const bool is_hex = digit != kNone && (is_digit(peek(i)) || digit > 9);
    if (!is_hex)
      syntax_error(line_, "a string has an incomplete \\" + source_.substr(at_ + 1, 1) + " escape");
    value = value * 16 + char32_t(digit);
  }
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
    syntax_error(line_, "a string has an escape that is no character");
  advance(2 + digits);
  return value;
}

}  // namespace

void syntax_error(int line, const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "chat template line " + std::to_string(line) + ": " + message);
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace vulcap::chat
