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
#include "runtime/session/placement.h"

namespace vulcap::session {

// What all programs of one model on one device share.
class Device {
 public:
  // `host` runs single kernel calls on host memory for a back end that refuses them; `spare` takes over where
  // a model does not fit the memory of `backend`, null: nothing does.
  Device(std::shared_ptr<plan::Backend> backend, std::function<void(const ops::KernelArgs&)> host,
         std::shared_ptr<plan::Backend> spare = nullptr)
      : backend_(std::move(backend)), host_(std::move(host)), spare_(std::move(spare)) {}

  plan::Backend& backend() const { return *backend_; }
  const std::function<void(const ops::KernelArgs&)>& host() const { return host_; }
  bool fallback_forbidden() const { return fallback_forbidden_; }
  // Whether what `plan` adds fits the memory that is left. When it does not and there is a spare back end,
  // programs are made on that one from now on, and plans must be made again; else throws plan::OutOfMemory.
  bool make_room(const plan::Plan& plan);
  void fall_back(const std::string& reason);
  // Told once, in one line, when the spare back end takes over.
  void on_fall_back(std::function<void(const std::string&)> report) { report_ = std::move(report); }
  // While it is kept back the spare back end takes over nothing: plan::OutOfMemory is thrown instead.
  void keep_spare(bool value) { spare_is_kept_ = value; }
  // From now on programs that would leave kernel calls to the host, or run on the spare back end, are refused
  // with Error(kNoDevice).
  void forbid_fallback(bool value) { fallback_forbidden_ = value; }
  // Programs made from now on are entered there; null: nowhere.
  void set_placements(std::shared_ptr<Placements> placements) { placements_ = std::move(placements); }
  // Null where nothing is entered.
  std::shared_ptr<PlacedProgram> place(const plan::Plan& plan);
  // The same tensor in the same layout is uploaded once.
  std::shared_ptr<plan::Buffer> weight(const plan::ConstantSlot& slot);
  // Lets go of weights that neither a program nor a graph holds any more.
  void drop_unused_weights();
  // One activation arena for programs that never run at the same time.
  std::shared_ptr<plan::Buffer> arena(uint64_t bytes);
  const std::shared_ptr<plan::Buffer>& state();
  // Called with the times of each run's calls from now on; empty: not timed.
  using Profile = std::function<void(const plan::Plan&, const std::vector<plan::Timing>&)>;
  void set_profile(Profile profile) { profile_ = std::move(profile); }
  const Profile& profile() const { return profile_; }
  // Bytes of distinct weights as stored in the model's files.
  uint64_t weight_bytes() const { return weight_bytes_; }
  // Programs made from now on run call by call, see check_finite.h.
  void set_check_finite(bool value) { check_finite_ = value; }
  bool check_finite() const { return check_finite_; }

 private:
  // Content, layout, part, dtype, and the kernel where the layout is its own.
  using Key = std::tuple<const void*, size_t, ops::WeightLayout, uint64_t, uint64_t, core::DType, uint16_t>;
  static Key key_of(const plan::ConstantSlot& slot);

  std::shared_ptr<plan::Backend> backend_;
  std::function<void(const ops::KernelArgs&)> host_;
  std::shared_ptr<plan::Backend> spare_;
  std::vector<std::shared_ptr<plan::Backend>> retired_;  // programs made on them live on
  std::function<void(const std::string&)> report_;
  std::string fall_back_reason_;
  bool spare_is_kept_ = false;
  bool fallback_forbidden_ = false;
  std::shared_ptr<Placements> placements_;
  // The tensor is kept so that its address stays a key of its own.
  std::map<Key, std::pair<core::Tensor, std::shared_ptr<plan::Buffer>>> weights_;
  std::shared_ptr<plan::Buffer> arena_;
  std::shared_ptr<plan::Buffer> state_;
  Profile profile_;
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
  void run();

 private:
  Device* device_;
  void refuse_host_calls() const;
  void build(const std::map<std::string, std::shared_ptr<plan::Buffer>>& bound);
  bool is_written(const plan::External& slot) const;
  std::shared_ptr<plan::Buffer> bind(const plan::External& slot, std::shared_ptr<plan::Buffer> given);

  // A bound buffer of another back end, copied before each run, and back where it is written.
  struct Mirror {
    std::shared_ptr<plan::Buffer> far, near;
    bool written;
  };

  plan::Plan plan_;
  std::vector<std::shared_ptr<plan::Buffer>> externals_;
  std::vector<Mirror> mirrors_;
  std::unique_ptr<plan::Executable> executable_;
  std::shared_ptr<PlacedProgram> placed_;  // null: nobody asks
};

}  // namespace vulcap::session
