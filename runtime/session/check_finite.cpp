#include "runtime/session/check_finite.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "runtime/core/error.h"

namespace vulcap::session {
namespace {

using ops::Binding;
using ops::BufferKind;

class CheckedExecutable : public plan::Executable {
 public:
  CheckedExecutable(plan::Backend& backend, plan::BuildRequest request, const plan::Plan& plan)
      : plan_(plan), request_(std::move(request)) {
    for (size_t i = 0; i < plan.calls.size(); ++i) {
      plan::BuildRequest one = request_;
      one.calls = request_.calls.subspan(i, 1);
      if (!one.on_host.empty()) one.on_host = request_.on_host.subspan(i, 1);
      steps_.push_back(backend.build(std::move(one)));
    }
    request_.calls = {};
    request_.on_host = {};
  }

  void run() override {
    for (size_t i = 0; i < steps_.size(); ++i) {
      const ops::KernelCall& call = plan_.calls[i];
      std::vector<core::Tensor> before;
      bool tainted = false;  // an operand holds what a result may then hold too
      for (const Binding& binding : call.bindings) {
        before.push_back(binding.written || !checked(binding) ? core::Tensor() : content(binding));
        tainted = tainted || first_non_finite(before.back(), nullptr).has_value();
        if (binding.written && checked(binding)) before.back() = content(binding);
      }
      steps_[i]->run();
      if (!tainted) inspect(call, before);
    }
  }

 private:
  bool checked(const Binding& binding) const {
    return binding.value >= 0 && core::dtype_is_float(plan_.graph.value(binding.value).dtype);
  }

  plan::Buffer& buffer(const Binding& binding) const {
    if (binding.kind == BufferKind::kExternal) return *request_.external[binding.index];
    return *request_.arena;
  }

  core::Tensor content(const Binding& binding) const {
    if (binding.kind == BufferKind::kConstant) return plan_.constants[binding.index].tensor;
    const core::DType dtype = plan_.graph.value(binding.value).dtype;
    core::Tensor tensor(dtype, {int64_t(binding.size * 8 / core::dtype_bits(dtype))});
    if (tensor.size() > 0) buffer(binding).read(binding.offset, tensor.mutable_bytes());
    return tensor;
  }

  // What is as it was before the call was not written by it: the rest of a partly written value is old.
  static std::optional<size_t> first_non_finite(const core::Tensor& tensor, const core::Tensor* before) {
    const size_t width = core::dtype_bits(tensor.dtype()) / 8;
    for (size_t i = 0; i < tensor.size(); ++i) {
      if (std::isfinite(tensor.at_f64(i))) continue;
      if (before != nullptr &&
          std::memcmp(tensor.bytes().data() + i * width, before->bytes().data() + i * width, width) == 0)
        continue;
      return i;
    }
    return std::nullopt;
  }

  void inspect(const ops::KernelCall& call, const std::vector<core::Tensor>& before) const {
    for (size_t b = 0; b < call.bindings.size(); ++b) {
      if (!call.bindings[b].written || !checked(call.bindings[b])) continue;
      const core::Tensor after = content(call.bindings[b]);
      if (const auto at = first_non_finite(after, &before[b])) complain(call, call.bindings[b], after, *at);
    }
  }

  [[noreturn]] void complain(const ops::KernelCall& call, const Binding& binding, const core::Tensor& tensor,
                             size_t at) const {
    const std::string what = std::isnan(tensor.at_f64(at)) ? "NaN" : "Inf";
    std::string node = "no node";
    if (call.node >= 0) {
      const graph::Node& origin = plan_.graph.nodes[size_t(call.node)];
      node = "node '" + origin.name + "' (" + origin.op + ")";
    }
    throw core::Error(core::ErrorCode::kRuntime,
                      "value '" + plan_.graph.value(binding.value).name + "' of " + node + ", kernel " +
                          std::string(ops::kernels()[call.kernel].name) + "." +
                          std::string(core::dtype_name(call.variant.storage)) + ", holds " + what +
                          " at element " + std::to_string(at) + " and its operands hold none");
  }

  const plan::Plan& plan_;
  plan::BuildRequest request_;
  std::vector<std::unique_ptr<plan::Executable>> steps_;
};

}  // namespace

std::unique_ptr<plan::Executable> build_checked(plan::Backend& backend, plan::BuildRequest request,
                                                const plan::Plan& plan) {
  return std::make_unique<CheckedExecutable>(backend, std::move(request), plan);
}

}  // namespace vulcap::session
