// RNN-22, GRU-22, LSTM-22: the input's product for all steps at once, then a step's product with the state
// and one cell kernel a step and direction.
#include <algorithm>
#include <cctype>

#include "runtime/ops/compose.h"
#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"
#include "runtime/ops/window.h"

namespace vulcap::ops {
namespace {

// Operands: X W R B sequence_lens initial_h initial_c P.
constexpr size_t kLengths = 4, kInitialH = 5, kInitialC = 6, kPeepholes = 7;

uint32_t kind_of(const Node& node) {
  return node.op == "LSTM" ? abi::kCellLstm : node.op == "GRU" ? abi::kCellGru : abi::kCellRnn;
}

struct Sizes {
  int64_t steps, batch, input, directions, gates, hidden;
  bool batch_first;
};

Sizes sizes_of(const Node& node, const core::Shape& x, const core::Shape& r) {
  const bool batch_first = node.attributes.integer("layout", 0) != 0;
  const int64_t gates = kind_of(node) == abi::kCellLstm ? 4 : kind_of(node) == abi::kCellGru ? 3 : 1;
  return {x[batch_first], x[!batch_first], x[2], r[0], gates, r[2], batch_first};
}

void infer_recurrent(InferContext& c) {
  const core::Shape x = known_shape(c, 0), w = known_shape(c, 1), r = known_shape(c, 2);
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) c.fail("X, W and R must have three axes");
  const Sizes s = sizes_of(c.node(), x, r);
  const bool both = c.attributes().text("direction", "forward") == "bidirectional";
  if (s.directions != (both ? 2 : 1) || w != core::Shape{s.directions, s.gates * s.hidden, s.input} ||
      r[1] != s.gates * s.hidden)
    c.fail("W " + core::shape_text(w) + " and R " + core::shape_text(r) + " do not fit X " +
           core::shape_text(x));
  const auto check = [&](size_t i, const SymShape& shape) {
    if (c.has(i) && !(c.shape(i) == shape))
      c.fail("operand " + core::shape_text(c.shape(i)) + " should be " + core::shape_text(shape));
  };
  const Dim directions(s.directions), batch(s.batch), hidden(s.hidden);
  const SymShape state =
      s.batch_first ? SymShape{batch, directions, hidden} : SymShape{directions, batch, hidden};
  check(3, {directions, Dim(2 * s.gates * s.hidden)});
  check(kLengths, {batch});
  check(kInitialH, state);
  check(kInitialC, state);
  check(kPeepholes, {directions, Dim(3 * s.hidden)});
  c.set(0, c.dtype(0),
        s.batch_first ? SymShape{batch, Dim(s.steps), directions, hidden}
                      : SymShape{Dim(s.steps), directions, batch, hidden});
  c.set(1, c.dtype(0), state);
  c.set(2, c.dtype(0), state);
}

struct ActivationRow {
  std::string_view name;
  uint32_t code;
  float alpha, beta;
};

constexpr ActivationRow kActivations[] = {
    {"sigmoid", abi::kCellActSigmoid, 0, 0},
    {"tanh", abi::kCellActTanh, 0, 0},
    {"relu", abi::kCellActRelu, 0, 0},
    {"affine", abi::kCellActAffine, 1, 0},
    {"leakyrelu", abi::kCellActLeakyRelu, 0.01f, 0},
    {"thresholdedrelu", abi::kCellActThresholdedRelu, 1, 0},
    {"scaledtanh", abi::kCellActScaledTanh, 1, 1},
    {"hardsigmoid", abi::kCellActHardSigmoid, 0.2f, 0.5f},
    {"elu", abi::kCellActElu, 1, 0},
    {"softsign", abi::kCellActSoftsign, 0, 0},
    {"softplus", abi::kCellActSoftplus, 0, 0},
};

template <typename T>
std::vector<T> list(const Attributes& attributes, std::string_view name) {
  const graph::Attribute* attribute = attributes.find(name);
  const auto* values = attribute == nullptr ? nullptr : std::get_if<std::vector<T>>(attribute);
  return values == nullptr ? std::vector<T>{} : *values;
}

// The activations of one direction. activation_alpha and _beta hold numbers of those activations that take
// one, in order.
void set_activations(LowerContext& c, abi::CellParams& p, size_t direction) {
  const bool lstm = p.kind == abi::kCellLstm, rnn = p.kind == abi::kCellRnn;
  const size_t count = lstm ? 3 : rnn ? 1 : 2;
  auto names = list<std::string>(c.attributes(), "activations");
  const auto alphas = list<float>(c.attributes(), "activation_alpha"),
             betas = list<float>(c.attributes(), "activation_beta");
  size_t next_alpha = 0, next_beta = 0;
  for (size_t i = 0; i < (direction + 1) * count; ++i) {
    std::string name = i < names.size() ? names[i] : rnn || i % count > 0 ? "tanh" : "sigmoid";
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char ch) { return char(std::tolower(ch)); });
    const auto* row = std::find_if(std::begin(kActivations), std::end(kActivations),
                                   [&](const ActivationRow& r) { return r.name == name; });
    if (row == std::end(kActivations)) c.fail("activation '" + name + "' is not known");
    p.acts[i % count] = row->code;
    p.alpha[i % count] = row->alpha != 0 && next_alpha < alphas.size() ? alphas[next_alpha++] : row->alpha;
    const bool takes_beta = row->beta != 0 || row->code == abi::kCellActAffine;
    p.beta[i % count] = takes_beta && next_beta < betas.size() ? betas[next_beta++] : row->beta;
  }
}

// The steps of one direction.
class Direction {
 public:
  Direction(LowerContext& c, const Sizes& sizes, size_t index)
      : c_(c), compose_(c), s_(sizes), index_(int64_t(index)), dtype_(c.dtype(0)) {}

  void run(const std::string& direction) {
    const int64_t rows = s_.gates * s_.hidden;
    p_.kind = kind_of(c_.node());
    set_params(direction == "reverse" || index_ == 1);
    h_ = state(kInitialH);
    if (p_.kind == abi::kCellLstm) cell_ = state(kInitialC);
    recurrence_ = slice(c_.in(2), {rows, s_.hidden}, index_ * rows * s_.hidden);
    recurrence_bias_ = bias(rows);
    x_gates_ = product(c_.in(0), slice(c_.in(1), {rows, s_.input}, index_ * rows * s_.input), bias(0),
                       {s_.steps * s_.batch, rows});
    for (int64_t step = 0; step < s_.steps; ++step) run_step(uint32_t(step));
    keep(h_, 1);
    if (p_.kind == abi::kCellLstm) keep(cell_, 2);
  }

 private:
  void set_params(bool reverse) {
    const auto& a = c_.attributes();
    set_activations(c_, p_, size_t(index_));
    p_.batch = narrow(s_.batch);
    p_.hidden = narrow(s_.hidden);
    p_.steps = narrow(s_.steps);
    p_.clip = a.real("clip", 0);
    p_.flags = (reverse ? abi::kCellReverse : 0) | (c_.has(kLengths) ? abi::kCellLengths : 0) |
               (c_.out(0) != graph::kNoValue ? abi::kCellY : 0) | (a.has("clip") ? abi::kCellClip : 0) |
               (c_.has(kPeepholes) ? abi::kCellPeepholes : 0) |
               (a.integer("input_forget", 0) != 0 ? abi::kCellCoupled : 0) |
               (a.integer("linear_before_reset", 0) != 0 ? abi::kCellLinear : 0);
    const int64_t rows = s_.gates * s_.hidden, line = s_.directions * s_.hidden;
    p_.gx_t = narrow(s_.batch_first ? rows : s_.batch * rows);
    p_.gx_b = narrow(s_.batch_first ? s_.steps * rows : rows);
    p_.y_t = narrow(s_.batch_first ? line : s_.batch * line);
    p_.y_b = narrow(s_.batch_first ? s_.steps * line : s_.hidden);
    p_.y_offset = narrow(index_ * s_.hidden * (s_.batch_first ? 1 : s_.batch));
  }

  ValueId slice(ValueId from, core::Shape shape, int64_t offset) {
    if (core::element_count(shape) == core::element_count(compose_.shape(from)))
      return compose_.view(from, shape);
    const ValueId part = c_.temp(dtype_, shape);
    emit_copy(c_, from, part, {shape, row_major_strides(shape), row_major_strides(shape), offset});
    return part;
  }

  // The half of B from `begin` on.
  ValueId bias(int64_t begin) {
    if (!c_.has(3)) return graph::kNoValue;
    const int64_t rows = s_.gates * s_.hidden;
    const ValueId part = c_.temp(dtype_, {rows});
    emit_copy(c_, c_.in(3), part, {{rows}, {1}, {1}, index_ * 2 * rows + begin});
    return part;
  }

  std::vector<int64_t> state_strides() const {
    return {s_.batch_first ? s_.directions * s_.hidden : s_.hidden, 1};
  }
  int64_t state_offset() const { return index_ * s_.hidden * (s_.batch_first ? 1 : s_.batch); }

  // A state of its own to write to, from an operand or zeros.
  ValueId state(size_t operand) {
    const core::Shape shape{s_.batch, s_.hidden};
    if (!c_.has(operand)) return compose_.fill(dtype_, shape, 0);
    const ValueId own = c_.temp(dtype_, shape);
    emit_copy(c_, c_.in(operand), own, {shape, state_strides(), row_major_strides(shape), state_offset()});
    return own;
  }

  void keep(ValueId state, size_t output) {
    if (c_.out(output) == graph::kNoValue) return;
    const core::Shape shape{s_.batch, s_.hidden};
    StridedCopy copy{shape, row_major_strides(shape), state_strides()};
    copy.out_offset = state_offset();
    emit_copy(c_, state, c_.out(output), copy);
  }

  // x * weight^T + bias.
  ValueId product(ValueId x, ValueId weight, ValueId bias_values, const core::Shape& shape) {
    const ValueId result = c_.temp(dtype_, shape);
    abi::MatmulParams p{};
    p.m = narrow(shape[0]);
    p.n = p.ldc = narrow(shape[1]);
    p.k = p.lda = p.ldb = narrow(compose_.shape(weight)[1]);
    p.batch = 1;
    p.alpha = 1;
    p.flags = abi::kMatmulTransB | (bias_values == graph::kNoValue ? 0 : abi::kMatmulBias);
    c_.emit("matmul", {dtype_, dtype_}, p,
            {c_.read(x), c_.read(weight), c_.read(bias_values == graph::kNoValue ? x : bias_values),
             c_.read(x), c_.write(result)},
            {p.n, p.m, 1});
    return result;
  }

  void emit_cell(uint32_t kind, uint32_t step, ValueId h_gates, LoweredBinding third) {
    abi::CellParams p = p_;
    p.kind = kind;
    p.step = step;
    const ValueId y = c_.out(0);
    c_.emit("cell", {dtype_, {}}, p,
            {c_.read(x_gates_), c_.read(h_gates), third, c_.write(h_),
             c_.write(cell_ == graph::kNoValue ? h_ : cell_),
             c_.read(c_.has(kLengths) ? c_.in(kLengths) : h_), c_.write(y == graph::kNoValue ? h_ : y)},
            {p.batch * p.hidden, 1, 1});
  }

  void run_step(uint32_t step) {
    const int64_t rows = s_.gates * s_.hidden;
    const ValueId h_gates = product(h_, recurrence_, recurrence_bias_, {s_.batch, rows});
    if (p_.kind != abi::kCellGru || (p_.flags & abi::kCellLinear)) {
      const bool peepholes = p_.kind == abi::kCellLstm && c_.has(kPeepholes);
      const ValueId third =
          peepholes ? slice(c_.in(kPeepholes), {3 * s_.hidden}, index_ * 3 * s_.hidden) : h_;
      return emit_cell(p_.kind, step, h_gates, c_.read(third));
    }
    const ValueId reset = c_.temp(dtype_, {s_.batch, s_.hidden});
    emit_cell(abi::kCellReset, step, h_gates, c_.write(reset));
    const int64_t last = 2 * s_.hidden;
    const ValueId weight = slice(recurrence_, {s_.hidden, s_.hidden}, last * s_.hidden);
    const ValueId last_bias =
        recurrence_bias_ == graph::kNoValue ? recurrence_bias_ : slice(recurrence_bias_, {s_.hidden}, last);
    emit_cell(p_.kind, step, h_gates, c_.read(product(reset, weight, last_bias, {s_.batch, s_.hidden})));
  }

  LowerContext& c_;
  Compose compose_;
  const Sizes& s_;
  int64_t index_;
  DType dtype_;
  abi::CellParams p_{};
  ValueId h_ = graph::kNoValue, cell_ = graph::kNoValue, x_gates_ = graph::kNoValue;
  ValueId recurrence_ = graph::kNoValue, recurrence_bias_ = graph::kNoValue;
};

void lower_recurrent(LowerContext& c) {
  const Sizes sizes = sizes_of(c.node(), c.shape(0), c.shape(2));
  const std::string direction = c.attributes().text("direction", "forward");
  for (size_t i = 0; i < size_t(sizes.directions); ++i) Direction(c, sizes, i).run(direction);
}

}  // namespace

void register_recurrent(OpRegistry& registry) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) registry.add({op, "", infer_recurrent, lower_recurrent});
}

}  // namespace vulcap::ops
