#include "runtime/session/decoder.h"

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/beam_rows.h"
#include "runtime/passes/hoist.h"

namespace vulcap::session {
namespace {

using core::Dim;
using core::Error;
using core::ErrorCode;

// Captions of similar length share one plan.
constexpr int64_t kCapacityStep = 32;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorCode::kInvalidModel, message); }

// The largest $past for which every guard, constant + coefficient * $past, is >= 0.
int64_t largest_past(const std::vector<Dim>& guards) {
  int64_t largest = INT64_MAX;
  for (const Dim& guard : guards) {
    const auto affine = guard.affine_in(core::intern_symbol(ops::kPastSymbol));
    if (!affine || affine->first < 0) {
      throw ops::NeedsStaticShape(ErrorCode::kInvalidModel,
                                  "the decoder needs " + guard.text() + " not to be negative");
    }
    if (affine->second < 0) largest = std::min(largest, affine->first / -affine->second);
  }
  return largest;
}

// Padding is hidden where attention over the cache reads the table of rows; what else reads the cache, or a
// mask that follows from position ids, would see it.
void check_hides_padding(const graph::Graph& step, const std::string& positions) {
  const auto refuse = [](const std::string& why) {
    throw ops::NeedsStaticShape(ErrorCode::kInvalidModel, "prompts cannot be padded: " + why);
  };
  std::vector<bool> positional(step.values.size());
  const graph::ValueId ids = step.find_input(positions);
  if (ids != graph::kNoValue) positional[ids] = true;
  for (const graph::Node& node : step.nodes) {
    const bool attends = node.is(ops::kAttention, "vulcap");
    bool follows = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const graph::ValueId input = node.inputs[i];
      if (input == graph::kNoValue) continue;
      follows = follows || positional[input];
      if (attends && i == 3 && positional[input]) refuse("a mask follows from the position ids");
      if (step.value(input).capacity > 0 && !attends && !node.is(ops::kKvAppend, "vulcap"))
        refuse(node.op + " reads the cache");
    }
    for (const graph::ValueId output : node.outputs) {
      if (output != graph::kNoValue) positional[output] = follows;
    }
  }
}

// Places of encoder outputs that are remembered.
constexpr size_t kMaxSources = 4;

int images_of(const EncoderOutput& states) {
  return states.shape.empty() ? 1 : int(std::max<int64_t>(1, states.shape[0]));
}

// Whether they differ in nothing but the number of images.
bool same_kind(const EncoderOutput& a, const EncoderOutput& b) {
  return a.dtype == b.dtype && a.shape.size() == b.shape.size() && a.mask.empty() == b.mask.empty() &&
         (a.shape.empty() || std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1));
}

}  // namespace

CachedDecoder::CachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles,
                             passes::PassOptions options,
                             std::optional<std::pair<graph::Graph, DecoderRoles>> first)
    : device_(device), graph_(std::move(graph), std::move(roles), options), layouts_(graph_.layouts()) {
  if (first) first_.emplace(std::move(first->first), std::move(first->second), options);
}

void CachedDecoder::reserve(int64_t positions) {
  if (positions <= capacity_) return;
  capacity_ = (positions + kCapacityStep - 1) / kCapacityStep * kCapacityStep;
  states_.reset();  // the next start plans afresh
}

void CachedDecoder::prepare(const EncoderOutput& states, int rows) {
  if (!planned_for(states)) plan_start(states);
  allocate_cache(rows);
  step_for({rows, 1, cache_rows_, false});
}

bool CachedDecoder::planned_for(const EncoderOutput& states) const {
  return states_ && same_kind(*states_, states) && images_of(states) <= images_ &&
         (!reads_states_ || sources_.front().states.buffer == states.buffer);
}

void CachedDecoder::start(const EncoderOutput& states) {
  past_ = 0;
  rows_.clear();
  padding_.clear();
  images_of_rows_.start(images_of(states));
  if (!planned_for(states)) plan_start(states);
  Source& source = source_of(states);
  if (source.states.mask != states.mask) {
    source.states.mask = states.mask;
    for (const auto& prelude : source.preludes) graph_.fill_masks(*prelude, states.mask);
  }
  if (states_->mask != states.mask) {
    for (const auto& [shape, step] : steps_) graph_.fill_masks(*step.program, states.mask);
  }
  states_ = states;
  for (const auto& prelude : source.preludes) prelude->run();
}

// Values that the preludes hand over get room for as many images as `states` has.
void CachedDecoder::plan_start(const EncoderOutput& states) {
  states_.reset();  // stays empty when what follows throws
  sources_.clear();
  steps_.clear();
  current_ = nullptr;
  cache_rows_ = 0;
  bound_.clear();
  held_.clear();
  by_image_.clear();
  images_ = images_of(states);
  if (states.buffer) {
    bound_[graph_.roles().states] = states.buffer;
    held_[graph_.roles().states] = core::SymShape(states.shape.begin(), states.shape.end());
  }
  if (!states.mask.empty()) held_[graph_.roles().states_mask] = {Dim(states.shape[0]), Dim(states.shape[1])};
  const StepShape shape{images_, 1, images_, false};
  passes::Hoisted parts = hoist_step(shape, states);
  add_source(states, parts);
  graph::Graph rest = std::move(parts.rest);
  reads_states_ = rest.find_input(graph_.roles().states) != graph::kNoValue;
  for (size_t i = 0; i < layouts_.size(); ++i) {
    const graph::ValueId past = rest.find_input(graph_.roles().cache[i].first);
    if (past != graph::kNoValue) layouts_[i].dtype = rest.value(past).dtype;
  }
  if (images_ > 1) {
    by_image_ = passes::values_by_image(hoist_step({1, 1, images_, false}, states).rest, 1, held_, images_);
    passes::add_image_rows(rest, images_, by_image_);
  }
  max_past_ = largest_past(rest.guards);
  first_plan_ = {shape, plan::make_plan(std::move(rest), device_.backend(), capacity_ - 1)};
  // Before the caches are made, so that they lie where the step runs.
  if (!device_.make_room(first_plan_->second)) return plan_start(states);
  states_ = states;
}

CachedDecoder::Source& CachedDecoder::source_of(const EncoderOutput& states) {
  const auto known = std::find_if(sources_.begin(), sources_.end(), [&](const Source& source) {
    return source.states.buffer == states.buffer && source.states.shape == states.shape;
  });
  if (known != sources_.end()) {
    sources_.splice(sources_.begin(), sources_, known);
    return sources_.front();
  }
  const int images = images_of(states);
  add_source(states, hoist_step({images, 1, images, false}, states));
  return sources_.front();
}

void CachedDecoder::add_source(const EncoderOutput& states, const passes::Hoisted& parts) {
  Source source{states, {}};
  if (!graph_.roles().encoder_cache.empty()) add_encoder_cache(source);
  if (!parts.prelude.nodes.empty()) {
    std::vector<std::pair<std::string, std::string>> shared;
    for (const std::string& name : parts.shared) shared.emplace_back(name, name);
    add_prelude(source, parts.prelude, shared);
  }
  sources_.push_front(std::move(source));
  if (sources_.size() > kMaxSources) sources_.pop_back();
}

// Keys and values of cross-attention as the first call gives them.
void CachedDecoder::add_encoder_cache(Source& source) {
  const EncoderOutput& states = source.states;
  if (states.shape.empty())
    invalid("the decoder takes the encoder's keys and values but no encoder output was given");
  const auto& handed_over = graph_.roles().encoder_cache;
  std::vector<std::string> outputs;
  for (const auto& [past, present] : handed_over) outputs.push_back(present);
  add_prelude(source, (first_ ? *first_ : graph_).first_call(states.shape, outputs), handed_over);
}

void CachedDecoder::add_prelude(Source& source, graph::Graph prelude,
                                const std::vector<std::pair<std::string, std::string>>& handed_over) {
  auto bound = bound_;
  for (const DecoderGraph* graph : {&graph_, first_ ? &*first_ : &graph_})
    if (source.states.buffer) bound[graph->roles().states] = source.states.buffer;
  for (const auto& [name, output] : handed_over) {
    const auto made = bound_.find(name);
    if (made != bound_.end()) bound[output] = made->second;
    held_.try_emplace(name, *prelude.value(prelude.find_value(output)).shape);
  }
  source.preludes.push_back(
      std::make_unique<Program>(device_, plan::make_plan(std::move(prelude), device_.backend()), bound));
  graph_.fill_masks(*source.preludes.back(), source.states.mask);
  for (const auto& [name, output] : handed_over) bound_[name] = source.preludes.back()->buffer(output);
}

std::vector<const plan::Plan*> CachedDecoder::plans() const {
  std::vector<const plan::Plan*> result;
  if (!sources_.empty()) {
    for (const auto& prelude : sources_.front().preludes) result.push_back(&prelude->plan());
  }
  if (current_ != nullptr) result.push_back(&current_->plan());
  return result;
}

graph::Graph CachedDecoder::specialise_step(const StepShape& shape, const EncoderOutput& states) const {
  CallSizes sizes{shape.rows,           shape.length, Dim::symbol(ops::kPastSymbol), capacity_, states.shape,
                  !states.mask.empty(), shape.padded};
  if (images_ > 1) sizes.states[0] = shape.rows;
  graph::Graph step = graph_.specialise(sizes, true);
  if (shape.cache_rows > 1) passes::add_beam_rows(step, shape.rows, capacity_, shape.cache_rows);
  if (shape.padded) check_hides_padding(step, graph_.roles().positions);
  return step;
}

passes::Hoisted CachedDecoder::hoist_step(const StepShape& shape, const EncoderOutput& states) const {
  return passes::hoist(specialise_step(shape, states), graph_.invariant_inputs());
}

bool CachedDecoder::takes_padding() {
  if (!takes_padding_) {
    takes_padding_ = false;
    try {
      if (!graph_.roles().positions.empty() && graph_.roles().position_planes == 0) {
        specialise_step({2, 1, 2, true}, *states_);
        takes_padding_ = true;
      }
    } catch (const ops::NeedsStaticShape&) {
    }
  }
  return *takes_padding_;
}

// More rows than before move the cache to larger buffers; what it holds goes along.
void CachedDecoder::allocate_cache(int rows) {
  if (rows <= cache_rows_) return;
  steps_.clear();
  current_ = nullptr;
  for (size_t i = 0; i < layouts_.size(); ++i) {
    const size_t row_bytes =
        core::dtype_bytes(layouts_[i].dtype, size_t(layouts_[i].heads * capacity_ * layouts_[i].width));
    auto& bound = bound_[graph_.roles().cache[i].first];
    auto larger = device_.backend().allocate(row_bytes * size_t(rows), graph_.roles().cache[i].first);
    if (bound && past_ > 0) {
      std::vector<std::byte> held(row_bytes * size_t(cache_rows_));
      bound->read(0, held);
      larger->write(0, held);
    }
    bound = std::move(larger);
  }
  cache_rows_ = rows;
}

plan::Plan CachedDecoder::plan_step(const StepShape& shape) {
  if (first_plan_ && first_plan_->first == shape) return std::exchange(first_plan_, std::nullopt)->second;
  passes::Hoisted parts = hoist_step(shape, *states_);
  for (const std::string& name : parts.shared) {
    if (bound_.count(name) == 0) {
      invalid("the value '" + name + "' depends on the encoder alone only for some shapes");
    }
  }
  if (images_ > 1) passes::add_image_rows(parts.rest, shape.rows, by_image_);
  return plan::make_plan(std::move(parts.rest), device_.backend(), capacity_ - 1);
}

CachedDecoder::Step& CachedDecoder::step_for(const StepShape& shape) {
  const auto known = steps_.find(shape);
  if (known != steps_.end()) return known->second;
  Step step{std::make_unique<Program>(device_, plan_step(shape), bound_), {}};
  graph_.fill_masks(*step.program, states_->mask);
  return steps_[shape] = std::move(step);
}

// Position p of row r lies in cache row rows_[r, p]; a reorder permutes the table, new positions go to the
// row itself.
void CachedDecoder::reorder_rows(int rows, std::span<const int32_t> reorder) {
  const std::vector<int32_t> before = std::exchange(rows_, std::vector<int32_t>(size_t(rows * capacity_)));
  for (int row = 0; row < rows; ++row) {
    const int from = reorder.empty() ? row : reorder[size_t(row)];
    for (int64_t p = 0; p < capacity_; ++p) {
      const bool cached = p < past_;
      const int32_t held = before.empty() ? from : before[size_t((cached ? from : 0) * capacity_ + p)];
      const bool hidden = !padding_.empty() && p < padding_[size_t(row)];
      rows_[size_t(row * capacity_ + p)] = cached ? held : hidden ? -1 : row;
    }
  }
}

void CachedDecoder::reorder_padding(int rows, std::span<const int32_t> reorder) {
  if (padding_.empty() || reorder.empty()) return;
  const std::vector<int32_t> before = std::exchange(padding_, std::vector<int32_t>(size_t(rows)));
  for (size_t row = 0; row < padding_.size(); ++row) padding_[row] = before.at(size_t(reorder[row]));
}

void CachedDecoder::write_past() {
  const uint32_t past = uint32_t(past_);
  device_.state()->write(0, std::as_bytes(std::span(&past, 1)));
}

void CachedDecoder::check_room(int length) const {
  if (past_ + length > capacity_) {
    throw Error(ErrorCode::kRuntime, "the sequence would grow to " + std::to_string(past_ + length) +
                                         " tokens but the decoder has room for " + std::to_string(capacity_) +
                                         "; ask for fewer new tokens");
  }
  if (past_ + length - 1 > max_past_) {
    throw Error(ErrorCode::kRuntime, "the decoder's tables end after " + std::to_string(max_past_ + 1) +
                                         " tokens; ask for fewer new tokens");
  }
}

std::span<const float> CachedDecoder::step_by_token(const Tokens& tokens, int rows, int length,
                                                    std::span<const int32_t> reorder) {
  const std::span<const std::byte> all = tokens.bytes();
  const size_t bytes = all.size() / size_t(rows) / size_t(length);
  const size_t planes = tokens.positions.size() / size_t(length);
  std::vector<std::byte> column(bytes * size_t(rows));
  std::vector<int64_t> positions(planes);
  std::span<const float> logits;
  for (int i = 0; i < length; ++i) {
    for (int row = 0; row < rows; ++row)
      std::copy_n(all.begin() + int64_t(size_t(row * length + i) * bytes), bytes,
                  column.begin() + int64_t(size_t(row) * bytes));
    for (size_t plane = 0; plane < planes; ++plane)
      positions[plane] = tokens.positions[plane * size_t(length) + size_t(i)];
    Tokens one = tokens;
    if (tokens.embeds.empty()) {
      one.ids = {reinterpret_cast<const int64_t*>(column.data()), size_t(rows)};
    } else {
      one.embeds = column;
    }
    one.positions = positions;
    logits = step(one, rows, 1, i == 0 ? reorder : std::span<const int32_t>{});
  }
  return logits;
}

std::span<const float> CachedDecoder::step(const Tokens& tokens, int rows, int length,
                                           std::span<const int32_t> reorder) {
  if (length > 1 && graph_.steps_by_token()) return step_by_token(tokens, rows, length, reorder);
  check_room(length);
  images_of_rows_.follow(rows, reorder);
  allocate_cache(rows);
  if (past_ == 0 &&
      std::any_of(tokens.padding.begin(), tokens.padding.end(), [](int32_t p) { return p > 0; }))
    padding_.assign(tokens.padding.begin(), tokens.padding.end());
  Step& planned = step_for({rows, length, cache_rows_, !padding_.empty()});
  Program& program = *planned.program;
  current_ = &program;
  reorder_padding(rows, reorder);
  if (cache_rows_ > 1) {
    reorder_rows(rows, reorder);
    program.write(std::string(passes::kBeamRows), std::as_bytes(std::span(rows_)));
  }
  if (images_ > 1 && planned.images != images_of_rows_.of_rows()) {
    planned.images = images_of_rows_.of_rows();
    write_images(program, planned.images);
  }
  const DecoderRoles& roles = graph_.roles();
  program.write(roles.ids.empty() ? roles.embeds : roles.ids, tokens.bytes());
  if (roles.position_planes > 0) {
    write_positions(program, roles, rows, tokens.positions);
  } else {
    write_positions(program, roles.positions, rows, length, roles.first_position + past_, padding_);
  }
  write_positions(program, roles.cache_position, 1, length, past_);
  write_past();
  program.run();
  past_ += length;
  read_last_logits(program, roles.logits, rows, graph_.vocab(), logits_);
  return logits_;
}

}  // namespace vulcap::session
