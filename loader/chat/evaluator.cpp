#include "loader/chat/evaluator.h"

#include <algorithm>

#include "loader/chat/builtins.h"

namespace vulcap::chat {

Evaluator::Evaluator(const Dict& variables, const std::tm& now) {
  for (const auto& [name, value] : global_functions(now, budget_)) scope_->variables[name] = value;
  scope_->variables["namespace"] =
      Value::function([this](const Arguments& arguments) { return make_namespace(arguments); });
  for (const auto& [name, value] : variables) scope_->variables[name] = value;
  scope_ = std::make_shared<Scope>(Scope{{}, scope_});
}

Evaluator::~Evaluator() {
  for (const auto& scope : shared_scopes_) scope->variables.clear();
  for (const auto& space : namespaces_) space->items.clear();
}

std::string Evaluator::render(const Block& block) {
  run(block);
  return std::move(out_);
}

void Evaluator::print(const std::string& text) {
  budget_.memory(text.size());
  out_ += text;
}

Evaluator::Flow Evaluator::run(const Block& block) {
  for (const Statement& statement : block) {
    const Flow flow = run(statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::run(const Statement& statement) {
  const Budget::Level level(budget_);
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::kText:
      print(statement.text);
      break;
    case StatementKind::kPrint: {
      const Value value = evaluate(*statement.value);
      budget_.work(value.extent().weight);
      print(to_text(value));
      break;
    }
    case StatementKind::kIf:
      return run_if(statement);
    case StatementKind::kFor:
      return run_for(statement, evaluate(*statement.value), 0);
    case StatementKind::kSet:
      assign(statement.target, evaluate(*statement.value));
      break;
    case StatementKind::kSetBlock: {
      const Value text = captured(statement.branches[0].body);
      assign(statement.target, statement.value ? filter(*statement.value, &text) : text);
      break;
    }
    case StatementKind::kMacro:
      scope_->variables[statement.text] = make_macro(statement, statement.text);
      break;
    case StatementKind::kCallBlock:
      run_call_block(statement);
      break;
    case StatementKind::kFilterBlock: {
      const Value text = captured(statement.branches[0].body);
      print(to_text(filter(*statement.value, &text)));
      break;
    }
    case StatementKind::kScope:
      return run_scope(statement);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::run_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (!branch.condition || truth(evaluate(*branch.condition))) return run(branch.body);
  }
  return Flow::kNext;
}

List Evaluator::filtered(const Statement& statement, List items) {
  if (!statement.condition) return items;
  List kept;
  for (Value& item : items) {
    const Inner scope(*this, scope_);
    assign(statement.target, item);
    if (truth(evaluate(*statement.condition))) kept.push_back(std::move(item));
  }
  return kept;
}

Evaluator::Flow Evaluator::run_for(const Statement& statement, const Value& items, int depth0) {
  budget_.memory(items.dict() != nullptr || items.string() != nullptr ? 32 * items.extent().weight
                 : items.list() != nullptr                            ? 32 * items.list()->items.size()
                                                                      : 32);
  auto loop = std::make_shared<Loop>();
  loop->items = *Value::list(filtered(statement, elements_of(items))).list();
  loop->depth0 = depth0;
  if (statement.recursive) {
    loop->recurse = [this, &statement](const Value& inner, int depth) {
      std::string outer = std::exchange(out_, "");
      run_for(statement, inner, depth);
      return Value(std::exchange(out_, std::move(outer)));
    };
  }
  if (loop->items.items.empty()) {
    const Inner scope(*this, scope_);
    return run(statement.branches[1].body);
  }
  for (; loop->index < loop->items.items.size(); ++loop->index) {
    if (!run_iteration(statement, loop)) break;
  }
  return Flow::kNext;
}

// Whether the loop goes on.
bool Evaluator::run_iteration(const Statement& statement, const std::shared_ptr<Loop>& loop) {
  const Inner scope(*this, scope_);
  scope_->variables["loop"] = loop;
  assign(statement.target, loop->items.items[loop->index]);
  return run(statement.branches[0].body) != Flow::kBreak;
}

Evaluator::Flow Evaluator::run_scope(const Statement& statement) {
  const Inner scope(*this, scope_);
  for (const auto& [target, value] : statement.assignments) assign(target, evaluate(*value));
  return run(statement.branches[0].body);
}

// What a block prints, in a scope of its own.
std::string Evaluator::captured(const Block& block) {
  const Inner scope(*this, scope_);
  std::string outer = std::exchange(out_, "");
  run(block);
  return std::exchange(out_, std::move(outer));
}

void Evaluator::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) {
    Namespace* space = look_up(target.names[0]).name_space();
    if (space == nullptr) fail("'" + target.names[0] + "' is no namespace, so its attributes cannot be set");
    budget_.memory(value.extent().weight);
    return chat::assign(space->items, target.attribute, value);
  }
  if (!target.unpacks) {
    scope_->variables[target.names[0]] = value;
    return;
  }
  require_defined(value);
  const List items = elements_of(value);
  if (items.size() != target.names.size())
    fail("a sequence of " + std::to_string(items.size()) + " values cannot be taken apart into " +
         std::to_string(target.names.size()) + " names");
  for (size_t i = 0; i < items.size(); ++i) scope_->variables[target.names[i]] = items[i];
}

Value Evaluator::make_macro(const Statement& statement, std::string name) {
  budget_.memory(1000);
  for (auto scope = scope_; scope; scope = scope->parent) {
    if (std::find(shared_scopes_.begin(), shared_scopes_.end(), scope) != shared_scopes_.end()) break;
    shared_scopes_.push_back(scope);
  }
  // Weak: the scope is kept by shared_scopes_ for as long as anything is rendered.
  return Value::function(
      [this, &statement, name = std::move(name), weak = std::weak_ptr(scope_)](const Arguments& arguments) {
        return call_macro(statement, name, weak.lock(), arguments);
      });
}

std::string Evaluator::call_macro(const Statement& statement, const std::string& name,
                                  const std::shared_ptr<Scope>& scope, const Arguments& arguments) {
  const Budget::Level level(budget_);
  const Inner inner(*this, scope);
  const auto& parameters = statement.parameters;
  if (arguments.positional.size() > parameters.size())
    fail("the macro '" + name + "' takes at most " + std::to_string(parameters.size()) + " arguments");
  for (const auto& [key, value] : arguments.named) {
    const bool known = key == "caller" || std::any_of(parameters.begin(), parameters.end(),
                                                      [&](const Parameter& one) { return one.name == key; });
    if (!known) fail("the macro '" + name + "' has no parameter '" + key + "'");
    scope_->variables[key] = value;
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    if (i < arguments.positional.size()) {
      scope_->variables[parameter.name] = arguments.positional[i];
    } else if (find(arguments.named, parameter.name) == nullptr) {
      scope_->variables[parameter.name] =
          parameter.fallback ? evaluate(*parameter.fallback)
                             : Value::undefined("the parameter '" + parameter.name + "' was not given");
    }
  }
  std::string outer = std::exchange(out_, "");
  run(statement.branches[0].body);
  return std::exchange(out_, std::move(outer));
}

void Evaluator::run_call_block(const Statement& statement) {
  Arguments arguments = arguments_of(*statement.value);
  arguments.named.emplace_back("caller", make_macro(statement, "caller"));
  print(to_text(call(*statement.value, std::move(arguments))));
}

}  // namespace vulcap::chat
