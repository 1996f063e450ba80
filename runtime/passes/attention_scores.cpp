#include "runtime/passes/attention_scores.h"

#include "runtime/ops/shape_rules.h"

namespace vulcap::passes {
namespace {

using core::Dim;

// Masked scores below this give a probability of exactly 0 beside any unmasked one (f16's lowest is -65504).
constexpr double kMaskedScore = -6e4;
constexpr int kMaxMasks = 4;

// key - query <= keys - queries
bool is_causal(const graph::AffineIndex& form, const core::SymShape& scores) {
  const size_t rank = scores.size();
  const auto& c = form.coefficients;
  if (c.size() < 2) return false;
  for (size_t i = 0; i + 2 < c.size(); ++i) {
    if (c[i] != 0) return false;
  }
  return c[c.size() - 1] == 1 && c[c.size() - 2] == -1 && form.base == scores[rank - 2] - scores[rank - 1];
}

bool is_causal(const Value& condition, const core::SymShape& scores) {
  return condition.fact.at_most_zero && is_causal(*condition.fact.at_most_zero, scores);
}

// A value of two numbers: one where `when` is at most zero, the other elsewhere; without `when` both are one.
struct Choice {
  std::optional<graph::AffineIndex> when;
  double if_true = 0, if_false = 0;
};

// The same over right-aligned axes.
bool same_coefficients(const graph::AffineIndex& a, const graph::AffineIndex& b) {
  const size_t rank = std::max(a.coefficients.size(), b.coefficients.size());
  const auto at = [&](const std::vector<int64_t>& c, size_t i) {
    return i + c.size() < rank ? 0 : c[i + c.size() - rank];
  };
  for (size_t i = 0; i < rank; ++i) {
    if (at(a.coefficients, i) != at(b.coefficients, i)) return false;
  }
  return true;
}

bool agree(const Choice& a, const Choice& b) {
  if (!a.when || !b.when) return true;
  return a.when->base == b.when->base && same_coefficients(*a.when, *b.when);
}

// Wherever `inner` holds, `outer` does.
bool implies(const Choice& inner, const Choice& outer) {
  return inner.when && outer.when && same_coefficients(*inner.when, *outer.when) &&
         (inner.when->base - outer.when->base).provably_nonnegative();
}

double combined(const Node& node, double a, double b) {
  if (node.op == "Add") return a + b;
  if (node.op == "Sub") return a - b;
  if (node.op == "Mul") return a * b;
  return a == b ? 1 : 0;
}

// The product of numbers that are zero outside their conditions, one of which implies the other.
std::optional<Choice> product(const Choice& a, const Choice& b) {
  if (a.if_false != 0 || b.if_false != 0) return std::nullopt;
  if (implies(a, b)) return Choice{a.when, a.if_true * b.if_true, 0};
  if (implies(b, a)) return Choice{b.when, a.if_true * b.if_true, 0};
  return std::nullopt;
}

std::optional<Choice> choice_of(const Matcher& m, ValueId value);

std::optional<Choice> arithmetic(const Matcher& m, const Node& node) {
  const auto a = choice_of(m, node.inputs[0]);
  const auto b = a ? choice_of(m, node.inputs[1]) : std::nullopt;
  if (!b) return std::nullopt;
  if (!agree(*a, *b)) return node.op == "Mul" ? product(*a, *b) : std::nullopt;
  return Choice{a->when ? a->when : b->when, combined(node, a->if_true, b->if_true),
                combined(node, a->if_false, b->if_false)};
}

std::optional<Choice> selection(const Matcher& m, const Node& where) {
  const auto which = choice_of(m, where.inputs[0]);
  const auto a = which ? choice_of(m, where.inputs[1]) : std::nullopt;
  const auto b = a ? choice_of(m, where.inputs[2]) : std::nullopt;
  if (!b || !agree(*which, *a) || !agree(*which, *b) || !agree(*a, *b)) return std::nullopt;
  const auto& when = which->when ? which->when : a->when ? a->when : b->when;
  return Choice{when, which->if_true != 0 ? a->if_true : b->if_true,
                which->if_false != 0 ? a->if_false : b->if_false};
}

// A triangle of one number, zero elsewhere.
std::optional<Choice> triangle(const Matcher& m, const Node& trilu) {
  const auto number = m.splat(trilu.inputs[0]);
  const auto diagonal = trilu.inputs.size() > 1 ? m.splat(trilu.inputs[1]) : std::optional(0.0);
  if (!number || !diagonal) return std::nullopt;
  const bool upper = trilu.attributes.integer("upper", 1) != 0;
  const auto k = int64_t(*diagonal);
  const core::SymShape shape = m.shape(trilu.outputs[0]);
  graph::AffineIndex when{Dim(upper ? k : -k), std::vector<int64_t>(shape.size(), 0)};
  when.coefficients[shape.size() - 2] = upper ? 1 : -1;
  when.coefficients[shape.size() - 1] = upper ? -1 : 1;
  return Choice{ops::broadcastable(std::move(when), shape), *number, 0};
}

// Whether two shapes differ by axes of size 1 at the front alone.
bool only_leading_ones(const core::SymShape& a, const core::SymShape& b) {
  const size_t rank = std::max(a.size(), b.size());
  const auto at = [&](const core::SymShape& shape, size_t i) {
    return i + shape.size() < rank ? Dim(1) : shape[i + shape.size() - rank];
  };
  for (size_t i = 0; i < rank; ++i) {
    if (!(at(a, i) == at(b, i))) return false;
  }
  return true;
}

// What exporters compute of a condition by arithmetic and selections with uniform numbers.
std::optional<Choice> choice_of(const Matcher& m, ValueId value) {
  if (const auto splat = m.splat(value)) return Choice{std::nullopt, *splat, *splat};
  if (m.value(value).fact.at_most_zero) return Choice{m.value(value).fact.at_most_zero, 1, 0};
  const Node* node = m.producer(value);
  if (node == nullptr) return std::nullopt;
  if (node->is("View", "vulcap") && !only_leading_ones(m.shape(node->inputs[0]), m.shape(value)))
    return std::nullopt;
  if (node->is("Cast") || node->is("View", "vulcap") || node->is("Expand"))
    return choice_of(m, node->inputs[0]);
  if (node->is("Add") || node->is("Sub") || node->is("Mul") || node->is("Equal")) return arithmetic(m, *node);
  if (node->is("Where")) return selection(m, *node);
  return node->is("Trilu") ? triangle(m, *node) : std::nullopt;
}

// 0 where a key is seen, a number that hides it elsewhere.
bool is_causal_mask(const Choice& choice, const core::SymShape& scores) {
  if (!choice.when) return false;
  if (choice.if_true == 0 && choice.if_false <= kMaskedScore) return is_causal(*choice.when, scores);
  if (choice.if_false != 0 || choice.if_true > kMaskedScore) return false;
  graph::AffineIndex negated{core::Dim(1) - choice.when->base, choice.when->coefficients};  // not (form <= 0)
  for (int64_t& coefficient : negated.coefficients) coefficient = -coefficient;
  return is_causal(negated, scores);
}

// Takes uniform factors off an operand.
ValueId peel_scale(const Matcher& m, ValueId value, double& scale) {
  for (;;) {
    const Node* node = m.producer(value);
    if (node == nullptr || !(node->is("Mul") || node->is("Div"))) return value;
    const auto parts = m.split_splat(*node);
    if (!parts || (node->is("Div") && parts->first != node->inputs[0])) return value;
    if (!(m.shape(parts->first) == m.shape(value))) return value;
    scale = node->is("Mul") ? scale * parts->second : scale / parts->second;
    value = parts->first;
  }
}

// What may be read as a mask of the scores: its axes are theirs or 1, and its rows are whole.
bool mask_fits(const Matcher& m, ValueId mask, const core::SymShape& scores) {
  const auto& shape = m.shape(mask);
  if (shape.size() > scores.size() || shape.empty() || !core::is_static(shape)) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& want = scores[scores.size() - shape.size() + i];
    const bool broadcast = shape[i] == Dim(1) && i + 1 < shape.size();
    if (!broadcast && !(shape[i] == want)) return false;
  }
  return true;
}

// scale * q k^T, or softcap * tanh(scale / softcap * q k^T).
std::optional<Scores> match_product(const Matcher& m, ValueId value) {
  Scores scores;
  const Node* mul = m.producer(value, "Mul");
  const auto parts = mul != nullptr ? m.split_splat(*mul) : std::nullopt;
  if (const Node* tanh = parts ? m.producer(parts->first, "Tanh") : nullptr) {
    scores.softcap = parts->second;
    scores.scale = parts->second;
    value = tanh->inputs[0];
  }
  value = peel_scale(m, value, scores.scale);
  const Node* product = m.producer(value, "MatMul");
  if (product == nullptr || !m.single_use(value)) return std::nullopt;
  scores.q = peel_scale(m, product->inputs[0], scores.scale);
  scores.k = peel_scale(m, product->inputs[1], scores.scale);
  return scores;
}

bool is_hidden_score(const Matcher& m, ValueId value) { return m.splat(value).value_or(0) <= kMaskedScore; }

std::optional<Scores> match_scores(const Matcher& m, ValueId value, int depth);

// Where(condition, scores, hidden) or Where(condition, hidden, scores)
std::optional<Scores> match_selection(const Matcher& m, const Node& where, int depth) {
  const core::SymShape shape = m.shape(where.outputs[0]);
  for (size_t i = 1; i <= 2; ++i) {
    if (!is_hidden_score(m, where.inputs[3 - i]) || !(m.shape(where.inputs[i]) == shape)) continue;
    const bool causal = i == 1 && is_causal(m.value(where.inputs[0]), shape);
    if (!causal && !mask_fits(m, where.inputs[0], shape)) continue;
    auto scores = match_scores(m, where.inputs[i], depth);
    if (!scores) continue;
    if (causal) {
      scores->causal = true;
    } else {
      scores->hidden.push_back({where.inputs[0], i == 1});
    }
    return scores;
  }
  return std::nullopt;
}

std::optional<Scores> match_masked(const Matcher& m, const Node& add, int depth) {
  const core::SymShape shape = m.shape(add.outputs[0]);
  for (size_t i = 0; i < 2; ++i) {
    const ValueId mask = add.inputs[1 - i];
    if (!(m.shape(add.inputs[i]) == shape)) continue;  // the mask broadcasts the scores
    const auto choice = choice_of(m, mask);
    const bool causal = choice && is_causal_mask(*choice, shape);
    const bool hides_nothing = choice && choice->if_true == 0 && choice->if_false == 0;
    if (!causal && !hides_nothing && !mask_fits(m, mask, shape)) continue;
    auto scores = match_scores(m, add.inputs[i], depth);
    if (!scores) continue;
    scores->causal = scores->causal || causal;
    if (!causal && !hides_nothing) scores->masks.push_back(mask);
    return scores;
  }
  return std::nullopt;
}

std::optional<Scores> match_scores(const Matcher& m, ValueId value, int depth) {
  value = before_regrouping(m, before_cast(m, value));
  const Node* node = m.producer(value);
  if (node == nullptr || depth == 0) return std::nullopt;
  if (node->is("Where")) return match_selection(m, *node, depth - 1);
  if (node->is("Add")) return match_masked(m, *node, depth - 1);
  return match_product(m, value);
}

}  // namespace

std::optional<Scores> match_scores(const Matcher& m, ValueId value) {
  return match_scores(m, value, kMaxMasks);
}

ValueId before_cast(const Matcher& m, ValueId value) {
  const Node* cast = m.producer(value, "Cast");
  const bool of_float =
      cast != nullptr && core::dtype_is_float(m.value(cast->inputs[0]).dtype) && m.single_use(value);
  return of_float ? cast->inputs[0] : value;
}

ValueId before_regrouping(const Matcher& m, ValueId value) {
  const Node* view = m.producer(value, "View", "vulcap");
  if (view == nullptr || !m.single_use(value)) return value;
  const auto &from = m.shape(view->inputs[0]), &to = m.shape(value);
  const bool whole_rows = from.size() >= 3 && to.size() >= 3 && from.back() == to.back() &&
                          from[from.size() - 2] == to[to.size() - 2];
  return whole_rows ? view->inputs[0] : value;
}

}  // namespace vulcap::passes
