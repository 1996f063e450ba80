// Einsum-12: operands are folded from left to right; each pair is a batched matrix product of permuted
// operands.
#include <algorithm>
#include <map>

#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

// A letter, or kEllipsis + i for the i-th axis, from the last, that an ellipsis stands for.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;

struct Equation {
  std::vector<Labels> operands;
  Labels output;
};

bool holds(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// `rank` is that of the operand, or the letters and the ellipsis of the output.
Labels read_term(InferContext& c, const std::string& text, size_t rank) {
  const size_t letters = size_t(std::count_if(text.begin(), text.end(), [](char ch) { return ch != '.'; }));
  Labels labels;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '.') {
      if (!std::isalpha(static_cast<unsigned char>(text[i])))
        c.fail("equation term '" + text + "' is not understood");
      labels.push_back(text[i]);
      continue;
    }
    if (text.substr(i, 3) != "..." || rank < letters)
      c.fail("equation term '" + text + "' is not understood");
    for (size_t k = rank - letters; k-- > 0;) labels.push_back(kEllipsis + Label(k));
    i += 2;
  }
  if (labels.size() != rank) c.fail("equation term '" + text + "' does not fit rank " + std::to_string(rank));
  return labels;
}

// Without "->": the ellipsis, then in order the letters that stand once.
Labels implied_output(const std::string& terms, size_t ellipsis) {
  Labels labels;
  for (size_t k = ellipsis; k-- > 0;) labels.push_back(kEllipsis + Label(k));
  for (int letter = 'A'; letter <= 'z'; ++letter) {
    if (std::isalpha(letter) && std::count(terms.begin(), terms.end(), char(letter)) == 1)
      labels.push_back(letter);
  }
  return labels;
}

Equation read_equation(InferContext& c) {
  std::string text = c.attributes().text("equation", "");
  std::erase(text, ' ');
  const size_t arrow = text.find("->");
  const std::string terms = text.substr(0, arrow);
  Equation equation;
  size_t ellipsis = 0, begin = 0;
  for (size_t i = 0; i < c.inputs(); ++i) {
    if (begin > terms.size()) c.fail("the equation has fewer terms than there are operands");
    const size_t end = std::min(terms.find(',', begin), terms.size());
    equation.operands.push_back(read_term(c, terms.substr(begin, end - begin), c.rank(i)));
    const Labels& labels = equation.operands.back();
    ellipsis = std::max(ellipsis, size_t(std::count_if(labels.begin(), labels.end(),
                                                       [](Label label) { return label >= kEllipsis; })));
    begin = end + 1;
  }
  if (begin <= terms.size()) c.fail("the equation has more terms than there are operands");
  if (arrow == std::string::npos) {
    equation.output = implied_output(terms, ellipsis);
  } else {
    const std::string output = text.substr(arrow + 2);
    const size_t letters = output.size() - 3 * size_t(output.find("...") != std::string::npos);
    equation.output =
        read_term(c, output, letters + (output.find("...") != std::string::npos ? ellipsis : 0));
  }
  return equation;
}

std::map<Label, Dim> label_sizes(InferContext& c, const Equation& equation) {
  std::map<Label, Dim> sizes;
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    for (size_t k = 0; k < equation.operands[i].size(); ++k) {
      const Dim& size = c.shape(i)[k];
      const auto [entry, added] = sizes.try_emplace(equation.operands[i][k], size);
      if (added || entry->second == size || size == Dim(1)) continue;
      if (!(entry->second == Dim(1)))
        c.fail("one label names dims of size " + entry->second.text() + " and " + size.text());
      entry->second = size;
    }
  }
  return sizes;
}

void infer_einsum(InferContext& c) {
  const Equation equation = read_equation(c);
  const auto sizes = label_sizes(c, equation);
  for (size_t i = 1; i < c.inputs(); ++i) c.same_dtype(0, i);
  SymShape to;
  for (size_t i = 0; i < equation.output.size(); ++i) {
    const auto size = sizes.find(equation.output[i]);
    if (size == sizes.end()) c.fail("a label of the output is in no operand");
    to.push_back(size->second);
  }
  c.set(0, c.dtype(0), std::move(to));
}

// A value whose axes have labels, no two the same.
struct Term {
  ValueId value;
  Labels labels;
};

class Contraction {
 public:
  Contraction(LowerContext& c, std::map<Label, int64_t> sizes) : c_(c), make_(c), sizes_(std::move(sizes)) {}

  // Repeated labels become their diagonal, axes that broadcast vanish.
  Term operand(ValueId x, const Labels& labels) {
    const core::Shape from = make_.shape(x);
    const auto strides = row_major_strides(from);
    Term term{x, {}};
    StridedCopy copy;
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto seen = std::find(term.labels.begin(), term.labels.end(), labels[i]);
      if (from[i] == 1 && sizes_.at(labels[i]) != 1) continue;
      if (seen != term.labels.end()) {
        copy.in_strides[size_t(seen - term.labels.begin())] += strides[i];
        continue;
      }
      term.labels.push_back(labels[i]);
      copy.shape.push_back(from[i]);
      copy.in_strides.push_back(strides[i]);
    }
    copy.out_strides = row_major_strides(copy.shape);
    if (core::element_count(copy.shape) == core::element_count(from)) {
      term.value = make_.view(x, copy.shape);
    } else {
      term.value = c_.temp(make_.dtype(x), copy.shape);
      emit_copy(c_, x, term.value, copy);
    }
    return term;
  }

  // Sums over the labels that are not in `kept`.
  Term summed(Term term, const Labels& kept) {
    Labels gone, rest;
    for (const Label label : term.labels) (holds(kept, label) ? rest : gone).push_back(label);
    if (gone.empty()) return term;
    const ValueId flat = matrix(term, {rest, gone});
    core::Shape shape = dims(rest);
    return {make_.view(make_.reduce(abi::kReduceSum, flat, 1, 2), shape), rest};
  }

  // The product of two terms, summed over what is not in `kept`.
  Term product(Term a, Term b, const Labels& kept) {
    Labels needed_by_a = kept, needed_by_b = kept;
    needed_by_a.insert(needed_by_a.end(), b.labels.begin(), b.labels.end());
    needed_by_b.insert(needed_by_b.end(), a.labels.begin(), a.labels.end());
    a = summed(a, needed_by_a);
    b = summed(b, needed_by_b);
    Labels batch, m, k, n;
    for (const Label label : a.labels)
      (!holds(b.labels, label) ? m : holds(kept, label) ? batch : k).push_back(label);
    for (const Label label : b.labels) {
      if (!holds(a.labels, label)) n.push_back(label);
    }
    Labels result = batch;
    result.insert(result.end(), m.begin(), m.end());
    result.insert(result.end(), n.begin(), n.end());
    return {make_.view(multiplied(a, b, batch, m, k, n), dims(result)), result};
  }

  ValueId ordered(const Term& term, const Labels& labels) {
    return make_.permute(term.value, places(term, labels));
  }

 private:
  core::Shape dims(const Labels& labels) const {
    core::Shape shape;
    for (const Label label : labels) shape.push_back(sizes_.at(label));
    return shape;
  }
  static std::vector<size_t> places(const Term& term, const Labels& labels) {
    std::vector<size_t> result;
    for (const Label label : labels)
      result.push_back(
          size_t(std::find(term.labels.begin(), term.labels.end(), label) - term.labels.begin()));
    return result;
  }
  // The term with one axis a group of labels.
  ValueId matrix(const Term& term, const std::vector<Labels>& groups) {
    Labels order;
    core::Shape shape;
    for (const Labels& group : groups) {
      order.insert(order.end(), group.begin(), group.end());
      shape.push_back(int64_t(core::element_count(dims(group))));
    }
    return make_.view(ordered(term, order), shape);
  }
  // [batch, m, n]
  ValueId multiplied(const Term& a, const Term& b, const Labels& batch, const Labels& m, const Labels& k,
                     const Labels& n) {
    const DType dtype = make_.dtype(a.value);
    if (!k.empty() && (dtype == DType::kF32 || dtype == DType::kF16))
      return make_.matmul(matrix(a, {batch, m, k}), matrix(b, {batch, k, n}));
    const ValueId left = matrix(a, {batch, m, {}, k}), right = matrix(b, {batch, {}, n, k});
    return make_.reduce(abi::kReduceSum, make_.binary("Mul", left, right), 3, 4);
  }

  LowerContext& c_;
  Compose make_;
  std::map<Label, int64_t> sizes_;
};

void lower_einsum(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  const Equation equation = read_equation(rule);
  std::map<Label, int64_t> sizes;
  for (const auto& [label, size] : label_sizes(rule, equation)) sizes[label] = c.affine(size).first;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) c.shape(i);
  Contraction contraction(c, sizes);
  Term result = contraction.operand(c.in(0), equation.operands[0]);
  for (size_t i = 1; i < equation.operands.size(); ++i) {
    Labels kept = equation.output;
    for (size_t later = i + 1; later < equation.operands.size(); ++later)
      kept.insert(kept.end(), equation.operands[later].begin(), equation.operands[later].end());
    result = contraction.product(result, contraction.operand(c.in(i), equation.operands[i]), kept);
  }
  result = contraction.summed(result, equation.output);
  c.alias(c.out(0), contraction.ordered(result, equation.output));
}

}  // namespace

void register_einsum(OpRegistry& registry) { registry.add({"Einsum", "", infer_einsum, lower_einsum}); }

}  // namespace vulcap::ops
