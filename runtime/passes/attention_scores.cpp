#include "runtime/passes/attention_scores.h"

namespace vulcap::passes {
namespace {

using core::Dim;

// Masked scores below this give a probability of exactly 0 beside any unmasked one (f16's lowest is -65504).
constexpr double kMaskedScore = -6e4;
constexpr int kMaxMasks = 4;

// key - query <= keys - queries
bool is_causal(const Value& condition, const core::SymShape& scores) {
  const auto& form = condition.fact.at_most_zero;
  const size_t rank = scores.size();
  if (!form || form->coefficients.size() < 2) return false;
  const auto& c = form->coefficients;
  for (size_t i = 0; i + 2 < c.size(); ++i) {
    if (c[i] != 0) return false;
  }
  return c[c.size() - 1] == 1 && c[c.size() - 2] == -1 && form->base == scores[rank - 2] - scores[rank - 1];
}

bool is_causal_mask(const Matcher& m, ValueId mask, const core::SymShape& scores) {
  const Node* where = m.producer(mask, "Where");
  if (where == nullptr || !m.is_splat(where->inputs[1], 0, 0)) return false;
  const auto masked = m.splat(where->inputs[2]);
  return masked && *masked <= kMaskedScore && is_causal(m.value(where->inputs[0]), scores);
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
    const bool causal = is_causal_mask(m, mask, shape);
    if (!causal && !mask_fits(m, mask, shape)) continue;
    auto scores = match_scores(m, add.inputs[i], depth);
    if (!scores) continue;
    if (causal) {
      scores->causal = true;
    } else {
      scores->masks.push_back(mask);
    }
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
