#include <algorithm>

#include "runtime/ops/kernel_registry.h"
#include "runtime/ops/kernels/element.h"

namespace vulcap::ops {
namespace {

double cell_activation(uint32_t act, double x, double alpha, double beta) {
  switch (act) {
    case abi::kCellActTanh:
      return std::tanh(x);
    case abi::kCellActRelu:
      return std::max(x, 0.0);
    case abi::kCellActAffine:
      return alpha * x + beta;
    case abi::kCellActLeakyRelu:
      return x < 0 ? alpha * x : x;
    case abi::kCellActThresholdedRelu:
      return x > alpha ? x : 0.0;
    case abi::kCellActScaledTanh:
      return alpha * std::tanh(beta * x);
    case abi::kCellActHardSigmoid:
      return std::clamp(alpha * x + beta, 0.0, 1.0);
    case abi::kCellActElu:
      return x < 0 ? alpha * (std::exp(x) - 1) : x;
    case abi::kCellActSoftsign:
      return x / (1 + std::abs(x));
    case abi::kCellActSoftplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
    default:
      return 1 / (1 + std::exp(-x));
  }
}

// One unit of one batch item.
class Unit {
 public:
  Unit(const KernelArgs& args, size_t b, size_t j)
      : args_(args), p_(args.call.params_as<abi::CellParams>()), b_(b), at_(b * p_.hidden + j), j_(j) {}

  void run() {
    const int64_t length = p_.flags & abi::kCellLengths ? args_.ptr<int32_t>(5)[b_] : int64_t(p_.steps);
    const auto step = int64_t(p_.step);
    if (step >= length) {
      if (p_.kind != abi::kCellReset) write_y(step, 0);
      return;
    }
    position_ = p_.flags & abi::kCellReverse ? length - 1 - step : step;
    if (p_.kind == abi::kCellReset) {
      store(2, at_, gate(0, sum(1)) * load(3, at_));
      return;
    }
    const double h = p_.kind == abi::kCellLstm ? lstm() : p_.kind == abi::kCellGru ? gru() : gate(0, sum(0));
    store(3, at_, h);
    write_y(position_, h);
  }

 private:
  double load(size_t binding, size_t i) const {
    return load_real(args_.call.variant.storage, args_.buffers[binding], i);
  }
  void store(size_t binding, size_t i, double value) {
    store_real(args_.call.variant.storage, args_.buffers[binding], i, value);
  }
  size_t gates() const { return p_.kind == abi::kCellLstm ? 4 : p_.kind == abi::kCellRnn ? 1 : 3; }
  double from_x(size_t g) const {
    return load(0, size_t(position_) * p_.gx_t + b_ * p_.gx_b + g * p_.hidden + j_);
  }
  double from_h(size_t g) const { return load(1, (b_ * gates() + g) * p_.hidden + j_); }
  double sum(size_t g) const { return from_x(g) + from_h(g); }
  double peephole(size_t g) const {
    return p_.flags & abi::kCellPeepholes ? load(2, g * p_.hidden + j_) : 0.0;
  }

  double gate(size_t act, double x) const {
    if (p_.flags & abi::kCellClip) x = std::clamp(x, -double(p_.clip), double(p_.clip));
    return cell_activation(p_.acts[act], x, double(p_.alpha[act]), double(p_.beta[act]));
  }

  double lstm() {
    const double c = load(4, at_);
    const double i = gate(0, sum(0) + peephole(0) * c);
    const double f = p_.flags & abi::kCellCoupled ? 1 - i : gate(0, sum(2) + peephole(2) * c);
    const double next = f * c + i * gate(1, sum(3));
    const double o = gate(0, sum(1) + peephole(1) * next);
    store(4, at_, next);
    return o * cell_activation(p_.acts[2], next, double(p_.alpha[2]), double(p_.beta[2]));
  }

  double gru() {
    const double z = gate(0, sum(0));
    const double x =
        p_.flags & abi::kCellLinear ? from_x(2) + gate(0, sum(1)) * from_h(2) : from_x(2) + load(2, at_);
    return (1 - z) * gate(1, x) + z * load(3, at_);
  }

  void write_y(int64_t position, double value) {
    if (p_.flags & abi::kCellY) store(6, p_.y_offset + size_t(position) * p_.y_t + b_ * p_.y_b + j_, value);
  }

  const KernelArgs& args_;
  const abi::CellParams& p_;
  size_t b_, at_, j_;
  int64_t position_ = 0;
};

void cell_reference(const KernelArgs& args) {
  const auto& p = args.call.params_as<abi::CellParams>();
  for (size_t i = 0; i < size_t(p.batch) * p.hidden; ++i) Unit(args, i / p.hidden, i % p.hidden).run();
}

}  // namespace

void kernel_cell(KernelRegistry& registry) { registry.add<abi::CellParams>("cell", cell_reference); }

}  // namespace vulcap::ops
