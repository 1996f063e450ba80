#include <algorithm>
#include <array>
#include <charconv>

#include "loader/chat/parser.h"

namespace vulcap::chat {
namespace {

constexpr int kMaxDepth = 200;

using Kind = ExpressionKind;

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr conditional();
  ExpressionPtr either();
  ExpressionPtr tuple();
  ExpressionPtr filters(ExpressionPtr value, bool from_name);

 private:
  ExpressionPtr both();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters);
  ExpressionPtr primary();
  ExpressionPtr literal();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr value);
  ExpressionPtr attribute(ExpressionPtr value);
  ExpressionPtr subscript(ExpressionPtr value);
  ExpressionPtr filters_and_tests(ExpressionPtr value);
  ExpressionPtr filter(ExpressionPtr value);
  ExpressionPtr test(ExpressionPtr value);
  void arguments(Expression& parent);
  template <typename Next>
  ExpressionPtr left_to_right(std::initializer_list<std::string_view> operators, Next next);

  ExpressionPtr make(Kind kind, std::string name = "") const {
    auto expression = std::make_unique<Expression>();
    expression->kind = kind;
    expression->line = tokens_.now().line;
    expression->name = std::move(name);
    return expression;
  }
  // Adds a part and keeps the depth, which long chains like a + b + c make grow too.
  void add(Expression& parent, ExpressionPtr part) const {
    if (part) stand_above(parent, *part);
    parent.parts.push_back(std::move(part));
  }
  static void stand_above(Expression& parent, const Expression& part) {
    parent.depth = std::max(parent.depth, part.depth + 1);
    if (parent.depth > kMaxDepth) syntax_error(parent.line, "an expression is too long or nests too deeply");
  }
  template <typename... Parts>
  ExpressionPtr make_of(Kind kind, std::string name, Parts... parts) const {
    ExpressionPtr expression = make(kind, std::move(name));
    (add(*expression, std::move(parts)), ...);
    return expression;
  }

  TokenStream& tokens_;
};

ExpressionPtr ExpressionParser::conditional() {
  const TokenStream::Level level(tokens_);
  ExpressionPtr value = either();
  while (tokens_.skip_name("if")) {
    ExpressionPtr condition = either();
    ExpressionPtr other = tokens_.skip_name("else") ? conditional() : nullptr;
    value = make_of(Kind::kConditional, "", std::move(value), std::move(condition), std::move(other));
  }
  return value;
}

template <typename Next>
ExpressionPtr ExpressionParser::left_to_right(std::initializer_list<std::string_view> operators, Next next) {
  ExpressionPtr left = next();
  const auto follows = [&] {
    return std::any_of(operators.begin(), operators.end(),
                       [&](auto text) { return tokens_.is_operator(text); });
  };
  while (follows()) {
    const std::string name = tokens_.take().text;
    ExpressionPtr right = next();
    left = make_of(Kind::kBinary, name, std::move(left), std::move(right));
  }
  return left;
}

ExpressionPtr ExpressionParser::either() {
  ExpressionPtr left = both();
  while (tokens_.skip_name("or")) {
    ExpressionPtr right = both();
    left = make_of(Kind::kOr, "", std::move(left), std::move(right));
  }
  return left;
}

ExpressionPtr ExpressionParser::both() {
  ExpressionPtr left = negation();
  while (tokens_.skip_name("and")) {
    ExpressionPtr right = negation();
    left = make_of(Kind::kAnd, "", std::move(left), std::move(right));
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  const TokenStream::Level level(tokens_);
  if (!tokens_.skip_name("not")) return comparison();
  return make_of(Kind::kNot, "", negation());
}

ExpressionPtr ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  ExpressionPtr first = sum();
  ExpressionPtr whole;
  while (true) {
    std::string name;
    if (std::any_of(kOperators.begin(), kOperators.end(),
                    [&](auto text) { return tokens_.is_operator(text); })) {
      name = tokens_.take().text;
    } else if (tokens_.skip_name("in")) {
      name = "in";
    } else if (tokens_.is_name("not") && tokens_.next_is_name("in")) {
      tokens_.take();
      tokens_.take();
      name = "not in";
    } else {
      return whole ? std::move(whole) : std::move(first);
    }
    if (!whole) whole = make_of(Kind::kCompare, "", std::move(first));
    whole->operators.push_back(std::move(name));
    add(*whole, sum());
  }
}

ExpressionPtr ExpressionParser::sum() {
  return left_to_right({"+", "-"}, [this] { return concatenation(); });
}
ExpressionPtr ExpressionParser::concatenation() {
  return left_to_right({"~"}, [this] { return product(); });
}
ExpressionPtr ExpressionParser::product() {
  return left_to_right({"*", "/", "//", "%"}, [this] { return power(); });
}
ExpressionPtr ExpressionParser::power() {
  return left_to_right({"**"}, [this] { return unary(true); });
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const TokenStream::Level level(tokens_);
  ExpressionPtr value;
  if (tokens_.is_operator("-") || tokens_.is_operator("+")) {
    const std::string name = tokens_.take().text;
    value = make_of(Kind::kUnary, name, unary(false));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::primary() {
  if (tokens_.is_operator("[")) return list();
  if (tokens_.is_operator("{")) return dict();
  if (tokens_.skip_operator("(")) {
    ExpressionPtr inner = tokens_.is_operator(")") ? make(Kind::kList) : tuple();
    tokens_.expect_operator(")");
    return inner;
  }
  return literal();
}

ExpressionPtr ExpressionParser::literal() {
  ExpressionPtr constant = make(Kind::kConstant);
  const Token token = tokens_.now();
  if (token.kind == TokenKind::kString) {
    std::string text;
    while (tokens_.is(TokenKind::kString)) text += tokens_.take().text;  // neighbours become one
    constant->constant = std::move(text);
    return constant;
  }
  if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat) {
    tokens_.take();
    const char* end = token.text.data() + token.text.size();
    int64_t integer = 0;
    double number = 0;
    const bool whole = token.kind == TokenKind::kInteger;
    const auto read = whole ? std::from_chars(token.text.data(), end, integer)
                            : std::from_chars(token.text.data(), end, number);
    if (read.ec != std::errc()) syntax_error(token.line, "the number " + token.text + " is too large");
    constant->constant = whole ? Value(integer) : Value(number);
    return constant;
  }
  if (token.kind != TokenKind::kName) tokens_.unexpected("an expression");
  tokens_.take();
  const std::string& name = token.text;
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    constant->constant = name == "true" || name == "True";
  } else if (name == "none" || name == "None") {
    constant->constant = nullptr;
  } else {
    constant->kind = Kind::kName;
    constant->name = name;
  }
  return constant;
}

ExpressionPtr ExpressionParser::tuple() {
  ExpressionPtr first = conditional();
  if (!tokens_.is_operator(",")) return first;
  ExpressionPtr items = make_of(Kind::kList, "", std::move(first));
  while (tokens_.skip_operator(",")) {
    const bool ends = tokens_.is_operator(")") || tokens_.is(TokenKind::kBlockEnd) ||
                      tokens_.is(TokenKind::kPrintEnd) || tokens_.is_operator("=");
    if (ends) break;
    add(*items, conditional());
  }
  return items;
}

ExpressionPtr ExpressionParser::list() {
  ExpressionPtr items = make(Kind::kList);
  tokens_.expect_operator("[");
  while (!tokens_.is_operator("]")) {
    add(*items, conditional());
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator("]");
  return items;
}

ExpressionPtr ExpressionParser::dict() {
  ExpressionPtr items = make(Kind::kDict);
  tokens_.expect_operator("{");
  while (!tokens_.is_operator("}")) {
    add(*items, conditional());
    tokens_.expect_operator(":");
    add(*items, conditional());
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator("}");
  return items;
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr value) {
  while (true) {
    if (tokens_.is_operator(".")) {
      value = attribute(std::move(value));
    } else if (tokens_.is_operator("[")) {
      value = subscript(std::move(value));
    } else if (tokens_.is_operator("(")) {
      value = make_of(Kind::kCall, "", std::move(value));
      arguments(*value);
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::attribute(ExpressionPtr value) {
  tokens_.expect_operator(".");
  if (!tokens_.is(TokenKind::kInteger))
    return make_of(Kind::kAttribute, tokens_.expect_name(), std::move(value));
  return make_of(Kind::kSubscript, "", std::move(value), literal());
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr value) {
  tokens_.expect_operator("[");
  const auto bound = [&]() -> ExpressionPtr {
    return tokens_.is_operator(":") || tokens_.is_operator("]") ? nullptr : conditional();
  };
  ExpressionPtr first = bound();
  if (!tokens_.is_operator(":")) {
    if (!first) tokens_.unexpected("an index");
    tokens_.expect_operator("]");
    return make_of(Kind::kSubscript, "", std::move(value), std::move(first));
  }
  tokens_.take();
  ExpressionPtr last = bound();
  ExpressionPtr step = tokens_.skip_operator(":") ? bound() : nullptr;
  tokens_.expect_operator("]");
  return make_of(Kind::kSlice, "", std::move(value), std::move(first), std::move(last), std::move(step));
}

void ExpressionParser::arguments(Expression& parent) {
  tokens_.expect_operator("(");
  while (!tokens_.is_operator(")")) {
    Argument argument;
    if (tokens_.is_operator("*") || tokens_.is_operator("**")) argument.name = tokens_.take().text;
    argument.value = conditional();
    if (argument.name.empty() && argument.value->kind == Kind::kName && tokens_.skip_operator("=")) {
      argument.name = argument.value->name;
      argument.value = conditional();
    }
    stand_above(parent, *argument.value);
    parent.arguments.push_back(std::move(argument));
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator(")");
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr value) {
  while (true) {
    if (tokens_.is_operator("|")) {
      tokens_.take();
      value = filter(std::move(value));
    } else if (tokens_.is_name("is")) {
      value = test(std::move(value));
    } else if (tokens_.is_operator("(")) {
      value = postfix(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr value, bool from_name) {
  while (from_name || tokens_.skip_operator("|")) {
    value = filter(std::move(value));
    from_name = false;
  }
  return value;
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr value) {
  ExpressionPtr result = make_of(Kind::kFilter, tokens_.expect_name(), std::move(value));
  if (tokens_.is_operator("(")) arguments(*result);
  return result;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr value) {
  tokens_.take();
  const bool negated = tokens_.skip_name("not");
  ExpressionPtr result = make_of(Kind::kTest, tokens_.expect_name(), std::move(value));
  constexpr std::array<std::string_view, 6> kWords = {"else", "or", "and", "if", "is", "not"};
  const auto& next = tokens_.now();
  const bool value_follows = next.kind == TokenKind::kString || next.kind == TokenKind::kInteger ||
                             next.kind == TokenKind::kFloat || tokens_.is_operator("[") ||
                             tokens_.is_operator("{") ||
                             (next.kind == TokenKind::kName && next.text != "in" &&
                              std::find(kWords.begin(), kWords.end(), next.text) == kWords.end());
  if (tokens_.is_operator("(")) {
    arguments(*result);
  } else if (value_follows) {
    ExpressionPtr argument = postfix(primary());
    result->arguments.push_back({"", std::move(argument)});
  }
  return negated ? make_of(Kind::kNot, "", std::move(result)) : std::move(result);
}

}  // namespace

ExpressionPtr parse_expression(TokenStream& tokens) { return ExpressionParser(tokens).conditional(); }
ExpressionPtr parse_plain_expression(TokenStream& tokens) { return ExpressionParser(tokens).either(); }
ExpressionPtr parse_tuple(TokenStream& tokens) { return ExpressionParser(tokens).tuple(); }
ExpressionPtr parse_filters(TokenStream& tokens, ExpressionPtr value) {
  const bool from_name = value == nullptr;
  return ExpressionParser(tokens).filters(std::move(value), from_name);
}

}  // namespace vulcap::chat
