// The tree of a chat template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/chat/value.h"

namespace vulcap::chat {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// Of a call, filter or test. `name` of a keyword argument; "*" and "**" unpack.
struct Argument {
  std::string name;
  ExpressionPtr value;
};

enum class ExpressionKind {
  kConstant,     // constant
  kName,         // name
  kList,         // parts
  kDict,         // parts: key, value, key, value, ...
  kUnary,        // name is - or +; one part
  kNot,          // one part
  kAnd,          // two parts
  kOr,           // two parts
  kBinary,       // name is the operator; two parts
  kCompare,      // parts[0] operators[0] parts[1] operators[1] ...
  kConditional,  // parts: value, condition, other value or null
  kAttribute,    // parts[0].name
  kSubscript,    // parts[0][parts[1]]
  kSlice,        // parts[0][parts[1]:parts[2]:parts[3]], null where left out
  kCall,         // parts[0](arguments)
  kFilter,       // parts[0] | name(arguments); parts[0] is null for what a block holds
  kTest,         // parts[0] is name(arguments)
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 1;
  int depth = 1;  // of the tree below, itself included
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> parts;
  std::vector<std::string> operators;
  std::vector<Argument> arguments;
};

struct Statement;
using Block = std::vector<Statement>;

// What {% set %} and {% for %} assign to: names (several take a sequence apart), or `name.attribute`.
struct Target {
  std::vector<std::string> names;
  bool unpacks = false;
  std::string attribute;
};

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // or null
};

struct Branch {
  ExpressionPtr condition;  // null: else
  Block body;
};

enum class StatementKind {
  kText,         // text
  kPrint,        // value
  kIf,           // branches
  kFor,          // target in value if condition; branches[0], branches[1] for an empty sequence
  kSet,          // target = value
  kSetBlock,     // target = branches[0], through the filters of value unless that is null
  kMacro,        // text is the name; parameters; branches[0]
  kCallBlock,    // value is the call; parameters; branches[0] becomes `caller`
  kFilterBlock,  // branches[0] through the filters of value
  kScope,        // assignments, then branches[0]: with blocks, generation blocks
  kBreak,
  kContinue,
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 1;
  std::string text;
  ExpressionPtr value;
  ExpressionPtr condition;
  Target target;
  bool recursive = false;
  std::vector<Parameter> parameters;
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  std::vector<Branch> branches;
};

}  // namespace vulcap::chat
