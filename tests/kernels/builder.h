// Assembles a KernelCase: operands with seeded values, outputs with a pattern.
#pragma once

#include <string>
#include <vector>

#include "shaders/abi.h"
#include "tests/kernels/cases.h"
#include "tests/kernels/row.h"

namespace vulcap::testing {

// Values of an operand.
enum class Fill {
  kUniform,  // in [low, high]
  kSpecial,  // NaN, infinities, signed zeros, huge and tiny numbers, ends of the integers, among uniform ones
};

class Builder {
 public:
  explicit Builder(Row& row);

  KernelCase& test() { return test_; }
  core::DType storage() const { return test_.call.variant.storage; }
  core::DType second() const { return test_.call.variant.second; }

  // Adds an input of `count` elements and binds it; returns its index.
  uint32_t input(core::DType dtype, size_t count, double low, double high);
  uint32_t input(core::DType dtype, size_t count) { return input(dtype, count, low_, high_); }
  // Binds a buffer that is there already.
  void bind(uint32_t index, bool written = false);
  // Adds a pattern-filled output and binds it.
  uint32_t output(core::DType dtype, size_t count);
  void bind_state(uint32_t position);

  template <typename Params>
  void finish(const Params& params, uint32_t x, uint32_t y = 1, uint32_t z = 1) {
    test_.call.set_params(params);
    test_.call.work = {x, y, z};
  }

 private:
  KernelCase test_;
  uint64_t random_;
  double low_, high_;
  Fill fill_;
};

// Stores a number as an element of `dtype`.
void set_element(core::DType dtype, Bytes& bytes, size_t i, double value);

// Fills in the case that a row of this kernel describes. Throws std::runtime_error for an unknown kernel.
void build_case(const std::string& kernel, Row& row, Builder& builder);
// The same for the kernels of one family; false: the kernel is of another.
bool build_attention_case(const std::string& kernel, Row& row, Builder& builder);

}  // namespace vulcap::testing
