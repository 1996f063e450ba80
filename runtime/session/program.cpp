#include "runtime/session/program.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"
#include "runtime/session/check_finite.h"

namespace vulcap::session {

namespace {

std::string mib(uint64_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB"; }

void copy(plan::Buffer& from, plan::Buffer& to) {
  std::vector<std::byte> bytes(std::min(from.size(), to.size()));
  from.read(0, bytes);
  to.write(0, bytes);
}

}  // namespace

Device::Key Device::key_of(const plan::ConstantSlot& slot) {
  return {slot.tensor.bytes().data(),
          slot.tensor.bytes().size(),
          slot.request.layout,
          slot.request.n_begin,
          slot.request.n_end,
          slot.dtype,
          slot.request.layout == ops::WeightLayout::kPlain ? uint16_t(0) : slot.request.kernel};
}

bool Device::make_room(const plan::Plan& plan) {
  const uint64_t total = backend_->limits().memory_bytes;
  if (total == UINT64_MAX) return true;
  uint64_t needed = plan.arena_bytes;
  for (const plan::External& slot : plan.externals) needed += slot.bytes;
  for (const plan::ConstantSlot& slot : plan.constants) {
    if (weights_.count(key_of(slot)) == 0) needed += slot.tensor.bytes().size();
  }
  const uint64_t left = total - std::min(total, backend_->memory_used());
  if (needed <= left) return true;
  fall_back(mib(needed) + " are needed, " + mib(left) + " of " + mib(total) + " are free");
  return false;
}

void Device::fall_back(const std::string& reason) {
  const std::string full = "the model does not fit " + backend_->name();
  if (!spare_ || spare_is_kept_) throw plan::OutOfMemory(full + ": " + reason);
  if (fallback_forbidden_) {
    throw core::Error(core::ErrorCode::kNoDevice,
                      full + " (" + reason +
                          ") and --fallback forbid leaves nothing to the CPU: use a smaller "
                          "model or batch, --dtype fp16, or --fallback warn");
  }
  fall_back_reason_ = full + " (" + reason + ")";
  if (report_) {
    report_(fall_back_reason_ + "; what is left of it runs on " + spare_->name());
  }
  retired_.push_back(std::exchange(backend_, std::exchange(spare_, nullptr)));
  weights_.clear();
  arena_.reset();
  state_.reset();
}

std::shared_ptr<plan::Buffer> Device::weight(const plan::ConstantSlot& slot) {
  const Key key = key_of(slot);
  auto& [tensor, buffer] = weights_[key];
  if (buffer) return buffer;
  tensor = slot.tensor;
  const core::Tensor stored = slot.dtype == tensor.dtype() ? tensor : core::to_half(tensor);
  if (slot.dtype != tensor.dtype() && tensor.file_backed()) core::MappedFile::release_pages(tensor.bytes());
  plan::WeightRequest request = slot.request;
  request.tensor = &stored;
  buffer = backend_->upload(request);
  const bool first_part = slot.request.n_begin == 0;
  if (first_part) weight_bytes_ += stored.bytes().size();
  return buffer;
}

void Device::drop_unused_weights() {
  std::erase_if(weights_, [](const auto& entry) {
    const auto& [tensor, buffer] = entry.second;
    return buffer.use_count() == 1 && tensor.sole_owner();
  });
}

std::shared_ptr<plan::Buffer> Device::arena(uint64_t bytes) {
  if (!arena_ || arena_->size() < bytes)
    arena_ = backend_->allocate(std::max<uint64_t>(bytes, 256), "activations");
  return arena_;
}

const std::shared_ptr<plan::Buffer>& Device::state() {
  if (!state_) {
    state_ = backend_->allocate(256, "state");
    const std::array<uint32_t, 64> zeros{};
    state_->write(0, std::as_bytes(std::span(zeros)));
  }
  return state_;
}

std::shared_ptr<PlacedProgram> Device::place(const plan::Plan& plan) {
  if (!placements_) return nullptr;
  placements_->push_back(std::make_shared<PlacedProgram>(placed(plan, backend_->name())));
  PlacedProgram& program = *placements_->back();
  program.reason = fall_back_reason_;
  for (PlacedCall& call : program.calls) {
    call.on_host = call.on_host || !program.reason.empty();
    if (call.on_host && call.reason.empty()) call.reason = program.reason;
  }
  return placements_->back();
}

Program::Program(Device& device, plan::Plan plan,
                 const std::map<std::string, std::shared_ptr<plan::Buffer>>& bound)
    : device_(&device), plan_(std::move(plan)) {
  if (device.fallback_forbidden()) refuse_host_calls();
  try {
    if (device.make_room(plan_)) {
      build(bound);
      return;
    }
  } catch (const plan::OutOfMemory& error) {
    device.fall_back(error.message());
  }
  plan_.on_host.assign(plan_.calls.size(), 0);
  plan_.reasons.assign(plan_.calls.size(), "");
  build(bound);
}

void Program::refuse_host_calls() const {
  const auto refused = std::find(plan_.on_host.begin(), plan_.on_host.end(), uint8_t(1));
  if (refused == plan_.on_host.end()) return;
  const auto count = std::count(refused, plan_.on_host.end(), uint8_t(1));
  const PlacedProgram program = placed(plan_, device_->backend().name());
  const PlacedCall& first = program.calls[size_t(refused - plan_.on_host.begin())];
  throw core::Error(
      core::ErrorCode::kNoDevice,
      program.device + " does not run " + std::to_string(count) + " of " +
          std::to_string(program.calls.size()) + " kernel calls, the first " + first.kernel + " of node '" +
          first.node + "' (" + first.reason +
          "), and --fallback forbid leaves nothing to the CPU: use --fallback warn or --device cpu");
}

bool Program::is_written(const plan::External& slot) const {
  const auto index = uint32_t(&slot - plan_.externals.data());
  return std::any_of(plan_.calls.begin(), plan_.calls.end(), [&](const ops::KernelCall& call) {
    return std::any_of(call.bindings.begin(), call.bindings.end(), [&](const ops::Binding& binding) {
      return binding.kind == ops::BufferKind::kExternal && binding.index == index && binding.written;
    });
  });
}

std::shared_ptr<plan::Buffer> Program::bind(const plan::External& slot, std::shared_ptr<plan::Buffer> given) {
  if (device_->backend().owns(*given)) return given;
  // A buffer of more rows than the plan has is read as far as tables of rows point.
  const uint64_t bytes = std::max<uint64_t>({slot.bytes, given->size(), 256});
  auto near = device_->backend().allocate(bytes, slot.name);
  mirrors_.push_back({std::move(given), near, is_written(slot)});
  return near;
}

void Program::build(const std::map<std::string, std::shared_ptr<plan::Buffer>>& bound) {
  Device& device = *device_;
  externals_.clear();
  mirrors_.clear();
  plan::BuildRequest request;
  request.calls = plan_.calls;
  request.on_host = plan_.on_host;
  request.host = device.host();
  request.arena_bytes = plan_.arena_bytes;
  for (const plan::ConstantSlot& slot : plan_.constants) request.constants.push_back(device.weight(slot));
  for (const plan::External& slot : plan_.externals) {
    const auto given = bound.find(slot.name);
    externals_.push_back(given != bound.end()
                             ? bind(slot, given->second)
                             : device.backend().allocate(std::max<uint64_t>(slot.bytes, 256), slot.name));
  }
  request.external = externals_;
  request.arena = device.arena(plan_.arena_bytes);
  request.state = device.state();
  placed_ = device.place(plan_);
  executable_ = device.check_finite() ? build_checked(device.backend(), std::move(request), plan_)
                                      : device.backend().build(std::move(request));
}

void Program::run() {
  if (placed_) ++placed_->runs;
  for (const Mirror& mirror : mirrors_) {
    copy(*mirror.far, *mirror.near);
    if (placed_) placed_->bytes_read += mirror.near->size();
  }
  if (device_->profile()) {
    device_->profile()(plan_, executable_->run_timed());
  } else {
    executable_->run();
  }
  for (const Mirror& mirror : mirrors_) {
    if (!mirror.written) continue;
    copy(*mirror.near, *mirror.far);
    if (placed_) placed_->bytes_written += mirror.near->size();
  }
}

void Program::write(const std::string& name, std::span<const std::byte> bytes) {
  const size_t index = plan_.external(name);
  if (bytes.size() != plan_.externals[index].bytes) {
    throw core::Error(core::ErrorCode::kRuntime, "input '" + name + "' takes " +
                                                     std::to_string(plan_.externals[index].bytes) +
                                                     " bytes, not " + std::to_string(bytes.size()));
  }
  if (!bytes.empty()) externals_[index]->write(0, bytes);
  if (placed_) placed_->bytes_written += bytes.size();
}

void Program::read(const std::string& name, std::span<std::byte> bytes, size_t offset) const {
  if (!bytes.empty()) externals_[plan_.external(name)]->read(offset, bytes);
  if (placed_) placed_->bytes_read += bytes.size();
}

core::Tensor Program::read(const std::string& name) const {
  const plan::External& slot = plan_.externals[plan_.external(name)];
  core::Shape shape;
  for (const core::Dim& dim : slot.shape) shape.push_back(dim.value());
  core::Tensor tensor(slot.dtype, std::move(shape));
  read(name, tensor.mutable_bytes());
  return tensor;
}

}  // namespace vulcap::session
