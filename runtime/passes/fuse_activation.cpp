// Decomposed activations become one node: Gelu by erf and by tanh, SiLU and quick Gelu by Sigmoid.
#include <cmath>

#include "runtime/passes/pass.h"
#include "runtime/passes/rewrite.h"

namespace vulcap::passes {
namespace {

// The factors of a product tree, uniform ones multiplied into `scale`.
struct Factors {
  double scale = 1;
  std::vector<ValueId> values;
};

void collect(const Matcher& m, ValueId value, bool root, int depth, Factors& factors) {
  if (const auto splat = m.splat(value)) {
    factors.scale *= *splat;
    return;
  }
  const Node* node = m.producer(value);
  const bool open = node != nullptr && depth > 0 && (root || m.single_use(value));
  if (open && node->is("Mul")) {
    collect(m, node->inputs[0], false, depth - 1, factors);
    collect(m, node->inputs[1], false, depth - 1, factors);
  } else if (open && node->is("Div") && m.splat(node->inputs[1])) {
    factors.scale /= *m.splat(node->inputs[1]);
    collect(m, node->inputs[0], false, depth - 1, factors);
  } else {
    factors.values.push_back(value);
  }
}

Factors factors_of(const Matcher& m, ValueId value, int depth = 3) {
  Factors factors;
  collect(m, value, true, depth, factors);
  return factors;
}

bool near(double a, double b) { return std::abs(a - b) <= 2e-3 * std::abs(b); }

// value = 1 + op(argument)? Returns the argument.
ValueId argument_of_one_plus(const Matcher& m, ValueId value, std::string_view op) {
  const Node* add = m.producer(value, "Add");
  if (add == nullptr) return kNoValue;
  const auto parts = m.split_splat(*add);
  if (!parts || !near(parts->second, 1)) return kNoValue;
  const Node* inner = m.producer(parts->first, op);
  return inner == nullptr ? kNoValue : inner->inputs[0];
}

bool is_erf_argument(const Matcher& m, ValueId argument, ValueId x) {
  const Factors factors = factors_of(m, argument);
  return factors.values == std::vector<ValueId>{x} && near(factors.scale, std::sqrt(0.5));
}

// The exponent of a Pow when it is 1, 2 or 3, else 0.
int whole_exponent(const Matcher& m, const Node& pow) {
  for (int exponent = 1; exponent <= 3; ++exponent) {
    if (m.is_splat(pow.inputs[1], exponent, 0)) return exponent;
  }
  return 0;
}

// Powers of x in a product: x * x * x or Pow(x, 3).
bool is_cube(const Matcher& m, const std::vector<ValueId>& values, ValueId x) {
  int degree = 0;
  for (ValueId value : values) {
    const Node* pow = m.producer(value, "Pow");
    if (value == x) {
      ++degree;
    } else if (pow != nullptr && pow->inputs[0] == x && whole_exponent(m, *pow) > 0) {
      degree += whole_exponent(m, *pow);
    } else {
      return false;
    }
  }
  return degree == 3;
}

// sqrt(2/pi) * (x + 0.044715 x^3)
bool is_tanh_argument(const Matcher& m, ValueId argument, ValueId x) {
  const Factors outer = factors_of(m, argument);
  if (outer.values.size() != 1 || !near(outer.scale, std::sqrt(2 / M_PI))) return false;
  const Node* add = m.producer(outer.values[0], "Add");
  if (add == nullptr) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (add->inputs[i] != x) continue;
    const Factors cubic = factors_of(m, add->inputs[1 - i]);
    if (near(cubic.scale, 0.044715) && is_cube(m, cubic.values, x)) return true;
  }
  return false;
}

std::optional<Patch> gelu(Matcher& m, const Node& node) {
  if (!node.is("Mul")) return std::nullopt;
  const Factors factors = factors_of(m, node.outputs[0]);
  if (factors.values.size() != 2 || !near(factors.scale, 0.5)) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const ValueId x = factors.values[1 - i];
    const ValueId by_erf = argument_of_one_plus(m, factors.values[i], "Erf");
    const ValueId by_tanh = argument_of_one_plus(m, factors.values[i], "Tanh");
    const bool exact = by_erf != kNoValue && is_erf_argument(m, by_erf, x);
    const bool approximate = by_tanh != kNoValue && is_tanh_argument(m, by_tanh, x);
    if ((!exact && !approximate) || !(m.shape(x) == m.shape(node.outputs[0]))) continue;
    graph::Attributes attributes;
    attributes.set("approximate", std::string(approximate ? "tanh" : "none"));
    return replace_with(node.outputs[0], m.make("Gelu", "", node.name, {x}, std::move(attributes)));
  }
  return std::nullopt;
}

// x * sigmoid(scale * x)
std::optional<Patch> gated_sigmoid(Matcher& m, const Node& node) {
  if (!node.is("Mul")) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const ValueId x = node.inputs[1 - i];
    const Node* sigmoid = m.producer(node.inputs[i], "Sigmoid");
    if (sigmoid == nullptr) continue;
    const Factors argument = factors_of(m, sigmoid->inputs[0]);
    if (argument.values != std::vector<ValueId>{x} || !(m.shape(x) == m.shape(node.outputs[0]))) continue;
    graph::Attributes attributes;
    attributes.set("alpha", float(argument.scale));
    return replace_with(node.outputs[0],
                        m.make("QuickGelu", "com.microsoft", node.name, {x}, std::move(attributes)));
  }
  return std::nullopt;
}

}  // namespace

int fuse_activation(Graph& graph) { return apply_rules(graph, {gelu, gated_sigmoid}); }

}  // namespace vulcap::passes
