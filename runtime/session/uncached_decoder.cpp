#include "runtime/session/uncached_decoder.h"

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/passes/hoist.h"

namespace vulcap::session {
namespace {

// Programs for so many lengths are kept; then all are dropped.
constexpr size_t kMaxPrograms = 128;

}  // namespace

UncachedDecoder::UncachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles,
                                 passes::PassOptions options)
    : device_(device), graph_(std::move(graph), std::move(roles), std::move(options)) {}

void UncachedDecoder::reserve(int64_t) {}

// Its plans depend on the length of the sequence; that of the first token uploads the weights.
void UncachedDecoder::prepare(const EncoderOutput& states, int rows) {
  start(states);
  bind_states(rows);
  program_for(rows, 1);
}

void UncachedDecoder::start(const EncoderOutput& states) {
  rebind_ = rebind_ || states.buffer != states_.buffer || states.shape != states_.shape ||
            states.mask.empty() != states_.mask.empty();
  if (!rebind_ && states.mask != states_.mask) {
    for (const Prelude& prelude : preludes_) graph_.fill_masks(*prelude.program, states.mask);
    for (const auto& [length, program] : programs_) graph_.fill_masks(*program, states.mask);
  }
  states_ = states;
  sequences_.clear();
  positions_.clear();
  length_ = 0;
  for (Prelude& prelude : preludes_) prelude.done = false;
}

// Beams of one image read its states repeated.
void UncachedDecoder::bind_states(int rows) {
  const bool repeated = states_.buffer && rows != states_.shape.at(0);
  if (rebind_ || rows != bound_rows_) {
    programs_.clear();
    preludes_.clear();
    bound_.clear();
    shared_.clear();
    last_plan_ = nullptr;
    if (repeated) {
      const size_t bytes = core::dtype_bytes(states_.dtype, core::element_count(states_.shape));
      bound_[graph_.roles().states] = device_.backend().allocate(bytes * size_t(rows), "states");
    } else if (states_.buffer) {
      bound_[graph_.roles().states] = states_.buffer;
    }
    rebind_ = false;
    bound_rows_ = rows;
  }
  if (!repeated) return;
  std::vector<std::byte> one(core::dtype_bytes(states_.dtype, core::element_count(states_.shape)));
  states_.buffer->read(0, one);
  for (int row = 0; row < rows; ++row) bound_[graph_.roles().states]->write(size_t(row) * one.size(), one);
}

Program& UncachedDecoder::program_for(int rows, int length) {
  if (programs_.size() >= kMaxPrograms) programs_.clear();
  auto& program = programs_[length];
  if (program) return *program;
  CallSizes sizes{rows, length, core::Dim(0), 0, states_.shape, !states_.mask.empty()};
  if (!sizes.states.empty()) sizes.states[0] = rows;
  passes::Hoisted parts = passes::hoist(graph_.specialise(sizes, false), graph_.invariant_inputs());
  const auto shape_of = [&](const std::string& name) {
    return *parts.rest.value(parts.rest.find_input(name)).shape;
  };
  const bool known = std::all_of(parts.shared.begin(), parts.shared.end(), [&](const std::string& name) {
    const auto shared = shared_.find(name);
    return shared != shared_.end() && shared->second == shape_of(name);
  });
  if (!known) {
    // What it hands over lies in buffers of its own: those of another length may be smaller.
    std::map<std::string, std::shared_ptr<plan::Buffer>> inputs;
    if (states_.buffer) inputs[graph_.roles().states] = bound_.at(graph_.roles().states);
    auto prelude = std::make_unique<Program>(
        device_, plan::make_plan(std::move(parts.prelude), device_.backend()), inputs);
    graph_.fill_masks(*prelude, states_.mask);
    for (const std::string& name : parts.shared) {
      bound_[name] = prelude->buffer(name);
      shared_[name] = shape_of(name);
    }
    preludes_.push_back({std::move(prelude), false});
  }
  program =
      std::make_unique<Program>(device_, plan::make_plan(std::move(parts.rest), device_.backend()), bound_);
  graph_.fill_masks(*program, states_.mask);
  return *program;
}

void UncachedDecoder::run_preludes() {
  for (Prelude& prelude : preludes_) {
    if (!prelude.done) prelude.program->run();
    prelude.done = true;
  }
}

void UncachedDecoder::continue_sequences(const Tokens& tokens, int rows, std::span<const int32_t> reorder) {
  std::vector<std::vector<std::byte>> next(static_cast<size_t>(rows));
  const auto bytes = tokens.bytes();
  const size_t step = bytes.size() / size_t(rows);
  for (size_t row = 0; row < next.size(); ++row) {
    if (!sequences_.empty()) next[row] = sequences_[reorder.empty() ? row : size_t(reorder[row])];
    const auto own = bytes.subspan(row * step, step);
    next[row].insert(next[row].end(), own.begin(), own.end());
  }
  sequences_ = std::move(next);
}

void UncachedDecoder::continue_positions(std::span<const int64_t> positions, size_t planes) {
  const std::vector<int64_t> before = std::exchange(positions_, {});
  for (size_t plane = 0; plane < planes; ++plane) {
    for (const std::span<const int64_t> part : {std::span<const int64_t>(before), positions}) {
      const auto own = part.subspan(plane * (part.size() / planes), part.size() / planes);
      positions_.insert(positions_.end(), own.begin(), own.end());
    }
  }
}

std::span<const float> UncachedDecoder::step(const Tokens& tokens, int rows, int length,
                                             std::span<const int32_t> reorder) {
  bind_states(rows);
  continue_sequences(tokens, rows, reorder);
  length_ += length;
  Program& program = program_for(rows, length_);
  run_preludes();
  std::vector<std::byte> flat;
  for (const auto& sequence : sequences_) flat.insert(flat.end(), sequence.begin(), sequence.end());
  const DecoderRoles& roles = graph_.roles();
  program.write(roles.ids.empty() ? roles.embeds : roles.ids, flat);
  if (roles.position_planes > 0) {
    continue_positions(tokens.positions, size_t(roles.position_planes));
    write_positions(program, roles, rows, positions_);
  } else {
    write_positions(program, roles.positions, rows, length_, roles.first_position);
  }
  write_positions(program, roles.cache_position, 1, length_, 0);
  program.run();
  last_plan_ = &program.plan();
  read_last_logits(program, roles.logits, rows, graph_.vocab(), logits_);
  return logits_;
}

std::vector<const plan::Plan*> UncachedDecoder::plans() const {
  std::vector<const plan::Plan*> result;
  for (const Prelude& prelude : preludes_) result.push_back(&prelude.program->plan());
  if (last_plan_ != nullptr) result.push_back(last_plan_);
  return result;
}

}  // namespace vulcap::session
