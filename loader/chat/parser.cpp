#include "loader/chat/parser.h"

#include <algorithm>
#include <initializer_list>
#include <map>

namespace vulcap::chat {
namespace {

using Kind = StatementKind;

class TemplateParser {
 public:
  explicit TemplateParser(std::string_view source) : tokens_(tokenize(source)) {}

  Block run() {
    Block block = statements({});
    if (!tokens_.is(TokenKind::kEnd)) tokens_.unexpected("the end of the template");
    return block;
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  Block statements(Names ends);
  Block body(Names ends);
  Block body_until(std::string_view end);
  std::optional<Statement> statement();
  void tag(Statement& result);
  void if_tag(Statement& result);
  void for_tag(Statement& result);
  void set_tag(Statement& result);
  void macro_tag(Statement& result);
  void call_tag(Statement& result);
  void filter_tag(Statement& result);
  void with_tag(Statement& result);
  void generation_tag(Statement& result);
  void jump_tag(Statement& result);
  Target target();
  std::vector<Parameter> parameters();
  void end_tag() { tokens_.expect(TokenKind::kBlockEnd, "%}"); }

  TokenStream tokens_;
  int loops_ = 0;  // that a break would leave
};

// Up to the end or a tag named in `ends`, whose name comes next.
Block TemplateParser::statements(Names ends) {
  const TokenStream::Level level(tokens_);
  Block block;
  while (!tokens_.is(TokenKind::kEnd)) {
    if (tokens_.is(TokenKind::kBlockBegin)) {
      const int line = tokens_.take().line;
      const auto is_end = [&](std::string_view name) { return tokens_.is_name(name); };
      if (std::any_of(ends.begin(), ends.end(), is_end)) return block;
      Statement result;
      result.line = line;
      tag(result);
      block.push_back(std::move(result));
    } else if (auto result = statement()) {
      block.push_back(std::move(*result));
    }
  }
  return block;
}

std::optional<Statement> TemplateParser::statement() {
  Statement result;
  result.line = tokens_.now().line;
  const Token token = tokens_.take();
  if (token.kind == TokenKind::kText) {
    result.kind = Kind::kText;
    result.text = token.text;
    return result;
  }
  result.kind = Kind::kPrint;
  result.value = parse_tuple(tokens_);
  tokens_.expect(TokenKind::kPrintEnd, "}}");
  return result;
}

// The body of a block whose opening tag ends here; leaves the name of the tag that ends it.
Block TemplateParser::body(Names ends) {
  const int line = tokens_.now().line;
  end_tag();
  Block block = statements(ends);
  if (tokens_.is(TokenKind::kEnd))
    syntax_error(line, "the block that begins here has no " + std::string(*(ends.end() - 1)));
  return block;
}

Block TemplateParser::body_until(std::string_view end) {
  Block block = body({end});
  tokens_.take();
  return block;
}

void TemplateParser::tag(Statement& result) {
  using Handler = void (TemplateParser::*)(Statement&);
  static const std::map<std::string_view, Handler> kTags = {
      {"if", &TemplateParser::if_tag},      {"for", &TemplateParser::for_tag},
      {"set", &TemplateParser::set_tag},    {"macro", &TemplateParser::macro_tag},
      {"call", &TemplateParser::call_tag},  {"filter", &TemplateParser::filter_tag},
      {"with", &TemplateParser::with_tag},  {"generation", &TemplateParser::generation_tag},
      {"break", &TemplateParser::jump_tag}, {"continue", &TemplateParser::jump_tag},
  };
  const std::string name = tokens_.is(TokenKind::kName) ? tokens_.now().text : "";
  const auto handler = kTags.find(name);
  if (handler != kTags.end()) {
    (this->*handler->second)(result);
    return end_tag();
  }
  for (std::string_view other : {"include", "import", "from", "extends", "block"}) {
    if (name == other)
      syntax_error(result.line, "'" + name + "' needs other templates, which a chat template does not have");
  }
  tokens_.unexpected("the name of a known tag");
}

void TemplateParser::if_tag(Statement& result) {
  result.kind = Kind::kIf;
  do {
    tokens_.take();
    Branch branch{parse_plain_expression(tokens_), {}};
    branch.body = body({"elif", "else", "endif"});
    result.branches.push_back(std::move(branch));
  } while (tokens_.is_name("elif"));
  if (tokens_.skip_name("else")) result.branches.push_back({nullptr, body({"endif"})});
  tokens_.take();
}

void TemplateParser::for_tag(Statement& result) {
  result.kind = Kind::kFor;
  tokens_.take();
  result.target = target();
  if (!result.target.attribute.empty()) tokens_.unexpected("a plain name");
  if (!tokens_.skip_name("in")) tokens_.unexpected("'in'");
  result.value = parse_plain_expression(tokens_);
  if (tokens_.skip_name("if")) result.condition = parse_expression(tokens_);
  result.recursive = tokens_.skip_name("recursive");
  ++loops_;
  result.branches.push_back({nullptr, body({"else", "endfor"})});
  --loops_;
  result.branches.push_back({nullptr, tokens_.skip_name("else") ? body({"endfor"}) : Block{}});
  tokens_.take();
}

void TemplateParser::set_tag(Statement& result) {
  tokens_.take();
  result.target = target();
  if (tokens_.skip_operator("=")) {
    result.kind = Kind::kSet;
    result.value = parse_tuple(tokens_);
    return;
  }
  result.kind = Kind::kSetBlock;
  if (tokens_.skip_operator("|")) result.value = parse_filters(tokens_, nullptr);
  result.branches.push_back({nullptr, body_until("endset")});
}

void TemplateParser::macro_tag(Statement& result) {
  result.kind = Kind::kMacro;
  tokens_.take();
  result.text = tokens_.expect_name();
  result.parameters = parameters();
  const int outer = std::exchange(loops_, 0);
  result.branches.push_back({nullptr, body_until("endmacro")});
  loops_ = outer;
}

void TemplateParser::call_tag(Statement& result) {
  result.kind = Kind::kCallBlock;
  tokens_.take();
  if (tokens_.is_operator("(")) result.parameters = parameters();
  result.value = parse_expression(tokens_);
  if (result.value->kind != ExpressionKind::kCall)
    syntax_error(result.line, "'call' needs the call of a macro");
  const int outer = std::exchange(loops_, 0);
  result.branches.push_back({nullptr, body_until("endcall")});
  loops_ = outer;
}

void TemplateParser::filter_tag(Statement& result) {
  result.kind = Kind::kFilterBlock;
  tokens_.take();
  result.value = parse_filters(tokens_, nullptr);
  result.branches.push_back({nullptr, body_until("endfilter")});
}

void TemplateParser::with_tag(Statement& result) {
  result.kind = Kind::kScope;
  tokens_.take();
  while (!tokens_.is(TokenKind::kBlockEnd)) {
    Target name = target();
    tokens_.expect_operator("=");
    result.assignments.emplace_back(std::move(name), parse_expression(tokens_));
    if (!tokens_.skip_operator(",")) break;
  }
  result.branches.push_back({nullptr, body_until("endwith")});
}

// transformers' own block around what the assistant said; the text is the same without.
void TemplateParser::generation_tag(Statement& result) {
  result.kind = Kind::kScope;
  tokens_.take();
  result.branches.push_back({nullptr, body_until("endgeneration")});
}

void TemplateParser::jump_tag(Statement& result) {
  const std::string name = tokens_.take().text;
  if (loops_ == 0) syntax_error(result.line, "'" + name + "' stands outside of a loop");
  result.kind = name == "break" ? Kind::kBreak : Kind::kContinue;
}

Target TemplateParser::target() {
  Target result;
  const bool closes = tokens_.skip_operator("(");
  result.names.push_back(tokens_.expect_name());
  if (tokens_.skip_operator(".")) {
    result.attribute = tokens_.expect_name();
    return result;
  }
  while (tokens_.skip_operator(",")) {
    result.unpacks = true;
    if (!tokens_.is(TokenKind::kName)) break;
    result.names.push_back(tokens_.expect_name());
  }
  if (closes) tokens_.expect_operator(")");
  return result;
}

std::vector<Parameter> TemplateParser::parameters() {
  std::vector<Parameter> result;
  tokens_.expect_operator("(");
  while (!tokens_.is_operator(")")) {
    Parameter parameter{tokens_.expect_name(), nullptr};
    if (tokens_.skip_operator("=")) parameter.fallback = parse_expression(tokens_);
    result.push_back(std::move(parameter));
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator(")");
  return result;
}

}  // namespace

Block parse_template(std::string_view source) { return TemplateParser(source).run(); }

}  // namespace vulcap::chat
