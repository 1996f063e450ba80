// A plan made runnable on one back end: weights uploaded once and shared, inputs and outputs in buffers of
// their own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/plan/plan.h"

namespace vulcap::session {

// What all programs of one model on one device share.
class Device {
 public:
  // `host` runs single kernel calls on host memory for a back end that refuses them.
  Device(std::shared_ptr<plan::Backend> backend, std::function<void(const ops::KernelArgs&)> host)
      : backend_(std::move(backend)), host_(std::move(host)) {}

  plan::Backend& backend() const { return *backend_; }
  const std::function<void(const ops::KernelArgs&)>& host() const { return host_; }
  // The same tensor in the same layout is uploaded once.
  std::shared_ptr<plan::Buffer> weight(const plan::ConstantSlot& slot);
  // Lets go of weights that neither a program nor a graph holds any more.
  void drop_unused_weights();
  // One activation arena for programs that never run at the same time.
  std::shared_ptr<plan::Buffer> arena(uint64_t bytes);
  const std::shared_ptr<plan::Buffer>& state();
  // Bytes of distinct weights as stored in the model's files.
  uint64_t weight_bytes() const { return weight_bytes_; }
  // Programs made from now on run call by call, see check_finite.h.
  void set_check_finite(bool value) { check_finite_ = value; }
  bool check_finite() const { return check_finite_; }

 private:
  using Key = std::tuple<const void*, size_t, ops::WeightLayout, uint64_t, uint64_t, core::DType>;

  std::shared_ptr<plan::Backend> backend_;
  std::function<void(const ops::KernelArgs&)> host_;
  // The tensor is kept so that its address stays a key of its own.
  std::map<Key, std::pair<core::Tensor, std::shared_ptr<plan::Buffer>>> weights_;
  std::shared_ptr<plan::Buffer> arena_;
  std::shared_ptr<plan::Buffer> state_;
  uint64_t weight_bytes_ = 0;
  bool check_finite_ = false;
};

class Program {
 public:
  // `bound`: buffers for inputs or outputs that live elsewhere, by name; the rest are allocated here.
  Program(Device& device, plan::Plan plan,
          const std::map<std::string, std::shared_ptr<plan::Buffer>>& bound = {});

  const plan::Plan& plan() const { return plan_; }
  const std::shared_ptr<plan::Buffer>& buffer(const std::string& name) const {
    return externals_[plan_.external(name)];
  }
  // Throws Error(kRuntime) when the byte size differs.
  void write(const std::string& name, std::span<const std::byte> bytes);
  void read(const std::string& name, std::span<std::byte> bytes, size_t offset = 0) const;
  core::Tensor read(const std::string& name) const;
  void run() { executable_->run(); }

 private:
  plan::Plan plan_;
  std::vector<std::shared_ptr<plan::Buffer>> externals_;
  std::unique_ptr<plan::Executable> executable_;
};

}  // namespace vulcap::session
