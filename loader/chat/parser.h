// A chat template's source -> its tree.
#pragma once

#include <string_view>

#include "loader/chat/ast.h"
#include "loader/chat/token_stream.h"

namespace vulcap::chat {

// Throws core::Error(kInvalidModel), "chat template line N: ...": what is not Jinja, blocks that need other
// templates (include, import, extends, block), nesting beyond some 200 levels.
Block parse_template(std::string_view source);

// Parts of an expression, for the parser of statements.
ExpressionPtr parse_expression(TokenStream& tokens);        // with "a if b else c"
ExpressionPtr parse_plain_expression(TokenStream& tokens);  // without
ExpressionPtr parse_tuple(TokenStream& tokens);             // expressions; with commas a list
// "| name(...) | ..." behind `value`, or, with a null value, "name(...) | ...".
ExpressionPtr parse_filters(TokenStream& tokens, ExpressionPtr value);

}  // namespace vulcap::chat
