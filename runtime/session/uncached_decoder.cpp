#include "runtime/session/uncached_decoder.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "runtime/core/error.h"

namespace vulcap::session {
namespace {

// Programs for so many lengths and numbers of rows are kept; then all are dropped.
constexpr size_t kMaxPrograms = 256;

// Few numbers of rows, so that few plans are made; the rest repeats the last row.
int planned_rows(int rows) { return int(std::bit_ceil(unsigned(rows))); }

}  // namespace

UncachedDecoder::UncachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles,
                                 passes::PassOptions options)
    : device_(device), graph_(std::move(graph), std::move(roles), std::move(options)) {}

void UncachedDecoder::reserve(int64_t) {}

// Its plans depend on the length of the sequence; that of the first token uploads the weights.
void UncachedDecoder::prepare(const EncoderOutput& states, int rows) {
  start(states);
  program_for(planned_rows(rows), 1);
}

void UncachedDecoder::forget_programs() {
  programs_.clear();
  lengths_.clear();
  preludes_.clear();
  bound_.clear();
  shared_.clear();
  last_plan_ = nullptr;
  if (states_.buffer) bound_[graph_.roles().states] = states_.buffer;
}

void UncachedDecoder::start(const EncoderOutput& states) {
  const bool same_place = states.buffer == states_.buffer && states.shape == states_.shape &&
                          states.mask.empty() == states_.mask.empty();
  const bool same_mask = states.mask == states_.mask;
  states_ = states;
  if (!same_place) {
    forget_programs();
  } else if (!same_mask) {
    for (const Prelude& prelude : preludes_) graph_.fill_masks(*prelude.program, states.mask);
    for (const auto& [shape, program] : programs_) graph_.fill_masks(*program, states.mask);
  }
  images_of_rows_.start(states.shape.empty() ? 1 : int(states.shape[0]));
  sequences_.clear();
  positions_.clear();
  length_ = 0;
  for (Prelude& prelude : preludes_) prelude.done = false;
}

// A graph of rows that have an image each, where there are images.
passes::Hoisted UncachedDecoder::hoisted(int rows, int length) const {
  CallSizes sizes{rows, length, core::Dim(0), 0, states_.shape, !states_.mask.empty()};
  if (!sizes.states.empty()) sizes.states[0] = rows;
  sizes.split_prefix = splits_prefix_;
  return passes::hoist(graph_.specialise(sizes, false), graph_.invariant_inputs());
}

// Takes over what depends on the images alone, unless that is there already; returns what steps read of it.
passes::HeldValues UncachedDecoder::add_prelude(const passes::Hoisted& parts) {
  passes::HeldValues held;
  bool known = true;
  std::vector<std::string> names = graph_.invariant_inputs();
  names.insert(names.end(), parts.shared.begin(), parts.shared.end());
  for (const std::string& name : names) {
    const graph::ValueId input = parts.rest.find_input(name);
    if (input != graph::kNoValue) held[name] = *parts.rest.value(input).shape;
  }
  for (const std::string& name : parts.shared) {
    const auto shared = shared_.find(name);
    known = known && shared != shared_.end() && shared->second == held.at(name);
  }
  if (known) return held;
  // What it hands over lies in buffers of its own: those of another length may be smaller.
  std::map<std::string, std::shared_ptr<plan::Buffer>> inputs;
  if (states_.buffer) inputs[graph_.roles().states] = states_.buffer;
  auto prelude =
      std::make_unique<Program>(device_, plan::make_plan(parts.prelude, device_.backend()), inputs);
  graph_.fill_masks(*prelude, states_.mask);
  for (const std::string& name : parts.shared) {
    bound_[name] = prelude->buffer(name);
    shared_[name] = held.at(name);
  }
  preludes_.push_back({std::move(prelude), false});
  return held;
}

graph::Graph UncachedDecoder::graph_for(int rows, int length) {
  const int images = images_of_rows_.images();
  Length& known = lengths_[length];
  passes::Hoisted parts = hoisted(rows, length);
  if (!known.held) known.held = add_prelude(rows == images ? parts : hoisted(images, length));
  if (images == 1 && rows == 1) return std::move(parts.rest);
  for (const std::string& name : parts.shared) {
    if (known.held->count(name) > 0) continue;
    if (!std::exchange(splits_prefix_, false)) {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "the value '" + name + "' depends on the encoder alone only for some rows");
    }
    forget_programs();
    return graph_for(rows, length);
  }
  if (!known.by_image) {
    known.by_image = rows == images ? passes::values_by_image(hoisted(1, length).rest, 1, *known.held, images)
                                    : passes::values_by_image(parts.rest, rows, *known.held, images);
  }
  passes::add_image_rows(parts.rest, rows, *known.by_image);
  return std::move(parts.rest);
}

Program& UncachedDecoder::program_for(int rows, int length) {
  const auto known = programs_.find({rows, length});
  if (known != programs_.end()) return *known->second;
  if (programs_.size() >= kMaxPrograms) {
    programs_.clear();
    last_plan_ = nullptr;
  }
  plan::Plan plan = plan::make_plan(graph_for(rows, length), device_.backend());
  auto program = std::make_unique<Program>(device_, std::move(plan), bound_);
  graph_.fill_masks(*program, states_.mask);
  return *(programs_[{rows, length}] = std::move(program));
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
  images_of_rows_.follow(rows, reorder);
  continue_sequences(tokens, rows, reorder);
  length_ += length;
  const int planned = planned_rows(rows);
  Program& program = program_for(planned, length_);
  run_preludes();
  std::vector<std::byte> flat;
  std::vector<int32_t> images;
  for (int row = 0; row < planned; ++row) {
    const size_t own = size_t(std::min(row, rows - 1));
    flat.insert(flat.end(), sequences_[own].begin(), sequences_[own].end());
    images.push_back(images_of_rows_.of_rows()[own]);
  }
  write_images(program, images);
  const DecoderRoles& roles = graph_.roles();
  program.write(roles.ids.empty() ? roles.embeds : roles.ids, flat);
  if (roles.position_planes > 0) {
    continue_positions(tokens.positions, size_t(roles.position_planes));
    write_positions(program, roles, planned, positions_);
  } else {
    write_positions(program, roles.positions, planned, length_, roles.first_position);
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
