// What enters each product with a weight (MatMul, Gemm, Conv) while a model runs, whatever passes made of its
// graph: products are told by the content of their weights.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "loader/conversion/quantization/calibration/histogram.h"
#include "loader/conversion/quantization/calibration/watched_backend.h"

namespace vulcap::quantization {

class ProductObserver {
 public:
  struct Seen {
    Histogram operand;
    Histogram result;  // of convolutions, the bias included; else empty
  };

  // Products of f32 tensors. Throws core::Error(kRuntime) for operands that are not finite.
  void see(const WatchedCall& watched);

  // Null where no product with this f32 weight has run.
  const Seen* of(const core::Tensor& weight) const;
  size_t weights() const { return seen_.size(); }

 private:
  using Content = std::pair<uint64_t, size_t>;  // hash and bytes

  static Content content_of(const core::Tensor& weight);
  Seen& entry(const core::Tensor& weight);

  std::map<Content, Seen> seen_;
  // By the place in memory, which the tensor keeps from being used again.
  std::map<const void*, std::pair<core::Tensor, Seen*>> known_;
};

}  // namespace vulcap::quantization
