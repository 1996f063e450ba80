// Renders the tree of a template, once.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loader/chat/ast.h"
#include "loader/chat/budget.h"

namespace vulcap::chat {

class Evaluator {
 public:
  // `variables`: what the template sees besides the functions that every template has.
  Evaluator(const Dict& variables, const std::tm& now);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  // Throws core::Error without a place; line() is then where.
  std::string render(const Block& block);
  int line() const { return line_; }

 private:
  struct Scope {
    std::map<std::string, Value, std::less<>> variables;
    std::shared_ptr<Scope> parent;
  };
  enum class Flow { kNext, kBreak, kContinue };

  // Statements; evaluator.cpp. They append to out_.
  Flow run(const Block& block);
  Flow run(const Statement& statement);
  Flow run_if(const Statement& statement);
  Flow run_for(const Statement& statement, const Value& items, int depth0);
  bool run_iteration(const Statement& statement, const std::shared_ptr<Loop>& loop);
  List filtered(const Statement& statement, List items);
  Flow run_scope(const Statement& statement);
  std::string captured(const Block& block);
  void assign(const Target& target, const Value& value);
  Value make_macro(const Statement& statement, std::string name);
  std::string call_macro(const Statement& statement, const std::string& name,
                         const std::shared_ptr<Scope>& scope, const Arguments& arguments);
  void run_call_block(const Statement& statement);
  void print(const std::string& text);

  // Expressions; evaluate_expression.cpp.
  Value evaluate(const Expression& expression);
  Value evaluate_at(const Expression& expression);
  Value look_up(const std::string& name) const;
  Value make_list(const Expression& expression);
  Value make_dict(const Expression& expression);
  Value unary(const Expression& expression);
  Value binary(const Expression& expression);
  Value compare(const Expression& expression);
  bool holds(const std::string& name, const Value& left, const Value& right);
  Value conditional(const Expression& expression);
  Value slice(const Expression& expression);
  Value call(const Expression& expression, Arguments arguments);
  Arguments arguments_of(const Expression& expression);
  // `base` stands for the value that a filter block or a set block holds.
  Value filter(const Expression& expression, const Value* base = nullptr);
  Value make_namespace(const Arguments& arguments);

  // A scope of its own while it lives.
  class Inner {
   public:
    Inner(Evaluator& evaluator, std::shared_ptr<Scope> parent)
        : evaluator_(evaluator), outer_(std::move(evaluator.scope_)) {
      evaluator_.scope_ = std::make_shared<Scope>(Scope{{}, std::move(parent)});
    }
    ~Inner() { evaluator_.scope_ = std::move(outer_); }

   private:
    Evaluator& evaluator_;
    std::shared_ptr<Scope> outer_;
  };

  Budget budget_;
  std::shared_ptr<Scope> scope_ = std::make_shared<Scope>();
  std::string out_;
  int line_ = 1;
  // What may hold itself; emptied at the end.
  std::vector<std::shared_ptr<Scope>> shared_scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace vulcap::chat
