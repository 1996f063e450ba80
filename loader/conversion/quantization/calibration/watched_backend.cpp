#include "loader/conversion/quantization/calibration/watched_backend.h"

#include <utility>
#include <vector>

namespace vulcap::quantization {
namespace {

using Weights = std::map<const plan::Buffer*, core::Tensor>;

class WatchedExecutable : public plan::Executable {
 public:
  WatchedExecutable(plan::Backend& inner, plan::BuildRequest request, const Weights& weights,
                    const OnCall& on_call)
      : request_(std::move(request)), weights_(weights), on_call_(on_call) {
    for (size_t i = 0; i < request_.calls.size(); ++i) {
      plan::BuildRequest one = request_;
      one.calls = request_.calls.subspan(i, 1);
      if (!one.on_host.empty()) one.on_host = request_.on_host.subspan(i, 1);
      steps_.push_back(inner.build(std::move(one)));
    }
  }

  void run() override {
    for (size_t i = 0; i < steps_.size(); ++i) {
      steps_[i]->run();
      on_call_(WatchedCall(request_.calls[i], request_, weights_));
    }
  }

 private:
  plan::BuildRequest request_;
  const Weights& weights_;
  const OnCall& on_call_;
  std::vector<std::unique_ptr<plan::Executable>> steps_;
};

}  // namespace

const core::Tensor& WatchedCall::constant(const ops::Binding& binding) const {
  return weights_.at(memory_.constants[binding.index].get());
}

core::Tensor WatchedCall::content(const ops::Binding& binding) const {
  core::Tensor tensor(core::DType::kF32, {int64_t(binding.size / sizeof(float))});
  plan::Buffer& buffer =
      binding.kind == ops::BufferKind::kExternal ? *memory_.external[binding.index] : *memory_.arena;
  if (tensor.size() > 0) buffer.read(binding.offset, tensor.mutable_bytes());
  return tensor;
}

std::shared_ptr<plan::Buffer> WatchedBackend::upload(const plan::WeightRequest& request) {
  auto buffer = inner_.upload(request);
  weights_[buffer.get()] = *request.tensor;
  return buffer;
}

std::unique_ptr<plan::Executable> WatchedBackend::build(plan::BuildRequest request) {
  return std::make_unique<WatchedExecutable>(inner_, std::move(request), weights_, on_call_);
}

}  // namespace vulcap::quantization
