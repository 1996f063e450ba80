// A back end that runs kernel calls one by one and lets each be looked at.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "runtime/core/tensor.h"
#include "runtime/plan/backend.h"

namespace vulcap::quantization {

// A call that has run, with the memory that it ran on.
class WatchedCall {
 public:
  WatchedCall(const ops::KernelCall& call, const plan::BuildRequest& memory,
              const std::map<const plan::Buffer*, core::Tensor>& weights)
      : call_(call), memory_(memory), weights_(weights) {}

  const ops::KernelCall& call() const { return call_; }
  // The tensor that a constant binding reads.
  const core::Tensor& constant(const ops::Binding& binding) const;
  // What any other binding holds: all its bytes as f32.
  core::Tensor content(const ops::Binding& binding) const;

 private:
  const ops::KernelCall& call_;
  const plan::BuildRequest& memory_;
  const std::map<const plan::Buffer*, core::Tensor>& weights_;
};

using OnCall = std::function<void(const WatchedCall&)>;

class WatchedBackend : public plan::Backend {
 public:
  // `inner` must outlive it and does the work. What `on_call` throws ends the run.
  WatchedBackend(plan::Backend& inner, OnCall on_call) : inner_(inner), on_call_(std::move(on_call)) {}

  std::string name() const override { return inner_.name(); }
  plan::Limits limits() const override { return inner_.limits(); }
  plan::Support supports(const ops::KernelCall& call) const override { return inner_.supports(call); }
  uint64_t memory_used() const override { return inner_.memory_used(); }
  bool owns(const plan::Buffer& buffer) const override { return inner_.owns(buffer); }
  std::shared_ptr<plan::Buffer> allocate(size_t bytes, std::string_view label) override {
    return inner_.allocate(bytes, label);
  }
  std::shared_ptr<plan::Buffer> upload(const plan::WeightRequest& request) override;
  std::unique_ptr<plan::Executable> build(plan::BuildRequest request) override;

 private:
  plan::Backend& inner_;
  OnCall on_call_;
  std::map<const plan::Buffer*, core::Tensor> weights_;
};

}  // namespace vulcap::quantization
