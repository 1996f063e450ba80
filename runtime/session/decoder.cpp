#include "runtime/session/decoder.h"

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/beam_rows.h"
#include "runtime/passes/hoist.h"
#include "runtime/passes/specialise.h"

namespace vulcap::session {
namespace {

using core::Dim;
using core::Error;
using core::ErrorCode;
using core::SymShape;

// Captions of similar length share one plan.
constexpr int64_t kCapacityStep = 32;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorCode::kInvalidModel, message); }

const graph::Value& input_of(const graph::Graph& graph, const std::string& name) {
  const graph::ValueId id = graph.find_input(name);
  if (id == graph::kNoValue) invalid("the decoder has no input '" + name + "'");
  return graph.value(id);
}

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

}  // namespace

int64_t declared_vocab(const graph::Graph& graph, const std::string& logits) {
  for (graph::ValueId out : graph.outputs) {
    const graph::Value& value = graph.value(out);
    if (value.name != logits) continue;
    if (value.shape && value.shape->size() == 3 && value.shape->back().is_constant())
      return value.shape->back().value();
  }
  invalid("the decoder's output '" + logits +
          "' must declare [batch, length, vocabulary] with a constant vocabulary");
}

CachedDecoder::CachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles,
                             passes::PassOptions options)
    : device_(device), graph_(std::move(graph)), roles_(std::move(roles)), options_(std::move(options)) {
  for (const auto& [past, present] : roles_.cache) {
    const graph::Value& value = input_of(graph_, past);
    const bool fixed = value.shape && value.shape->size() == 4 && (*value.shape)[1].is_constant() &&
                       (*value.shape)[3].is_constant();
    if (!fixed)
      invalid("the decoder's input '" + past +
              "' must declare [batch, heads, length, width] with constant heads and width");
    layouts_.push_back({value.dtype, (*value.shape)[1].value(), (*value.shape)[3].value()});
  }
  vocab_ = declared_vocab(graph_, roles_.logits);
}

void CachedDecoder::reserve(int64_t positions) {
  if (positions <= capacity_) return;
  capacity_ = (positions + kCapacityStep - 1) / kCapacityStep * kCapacityStep;
  states_ = {};  // the next start plans afresh
}

void CachedDecoder::prepare(const EncoderOutput& states, int rows) {
  if (states.buffer != states_.buffer || states.shape != states_.shape) prepare_prelude(states);
  allocate_cache(rows);
  step_program({rows, 1, rows > 1});
}

void CachedDecoder::start(const EncoderOutput& states) {
  past_ = 0;
  last_rows_ = 0;
  rows_.clear();
  if (states.buffer != states_.buffer || states.shape != states_.shape) prepare_prelude(states);
  if (prelude_) prelude_->run();
}

void CachedDecoder::prepare_prelude(const EncoderOutput& states) {
  if (states.dtype != input_of(graph_, roles_.states).dtype) {
    invalid("the encoder gives " + std::string(core::dtype_name(states.dtype)) + " but the decoder takes " +
            std::string(core::dtype_name(input_of(graph_, roles_.states).dtype)) +
            "; use files of one dtype");
  }
  states_ = {};  // stays empty when what follows throws
  prelude_.reset();
  programs_.clear();
  current_ = nullptr;
  cache_rows_ = 0;
  bound_.clear();
  bound_[roles_.states] = states.buffer;
  const int images = int(std::max<int64_t>(1, states.shape.at(0)));
  passes::Hoisted parts = passes::hoist(specialise_step({images, 1, false}, states.shape), {roles_.states});
  for (size_t i = 0; i < layouts_.size(); ++i)
    layouts_[i].dtype = input_of(parts.rest, roles_.cache[i].first).dtype;
  if (!parts.prelude.nodes.empty()) {
    prelude_ = std::make_unique<Program>(device_, plan::make_plan(parts.prelude, device_.backend()), bound_);
    for (const std::string& name : parts.shared) bound_[name] = prelude_->buffer(name);
  }
  max_past_ = largest_past(parts.rest.guards);
  first_plan_ = {StepShape{images, 1, false},
                 plan::make_plan(std::move(parts.rest), device_.backend(), capacity_ - 1)};
  states_ = states;
}

std::vector<const plan::Plan*> CachedDecoder::plans() const {
  std::vector<const plan::Plan*> result;
  if (prelude_) result.push_back(&prelude_->plan());
  if (current_ != nullptr) result.push_back(&current_->plan());
  return result;
}

graph::Graph CachedDecoder::specialise_step(const StepShape& shape, const core::Shape& states) const {
  std::map<std::string, passes::InputSpec> specs;
  for (graph::ValueId id : graph_.inputs) {
    const graph::Value& value = graph_.value(id);
    passes::InputSpec& spec = specs[value.name];
    if (value.name == roles_.ids) {
      spec.shape = {Dim(shape.rows), Dim(shape.length)};
    } else if (value.name == roles_.states) {
      spec.shape = SymShape(states.begin(), states.end());
    } else if (value.name == roles_.use_cache) {
      spec.constant = core::Tensor::from<uint8_t>(core::DType::kBool, {1}, {1});
      spec.shape = {Dim(1)};
    } else {
      const auto entry = std::find_if(roles_.cache.begin(), roles_.cache.end(),
                                      [&](const auto& pair) { return pair.first == value.name; });
      if (entry == roles_.cache.end()) invalid("the decoder's input '" + value.name + "' has no known role");
      const CacheLayout& layout = layouts_[size_t(entry - roles_.cache.begin())];
      spec.shape = {Dim(shape.rows), Dim(layout.heads), Dim::symbol(ops::kPastSymbol), Dim(layout.width)};
      spec.capacity = capacity_;
    }
  }
  graph::Graph step = passes::specialise(graph_, specs);
  passes::run_passes(step, options_);
  if (shape.table) passes::add_beam_rows(step, shape.rows, capacity_);
  return step;
}

// More rows than before move the cache to larger buffers; what it holds goes along.
void CachedDecoder::allocate_cache(int rows) {
  if (rows <= cache_rows_) return;
  programs_.clear();
  current_ = nullptr;
  for (size_t i = 0; i < layouts_.size(); ++i) {
    const size_t row_bytes =
        core::dtype_bytes(layouts_[i].dtype, size_t(layouts_[i].heads * capacity_ * layouts_[i].width));
    auto& bound = bound_[roles_.cache[i].first];
    auto larger = device_.backend().allocate(row_bytes * size_t(rows), roles_.cache[i].first);
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
  passes::Hoisted parts = passes::hoist(specialise_step(shape, states_.shape), {roles_.states});
  for (const std::string& name : parts.shared) {
    if (bound_.count(name) == 0) {
      invalid("the value '" + name + "' depends on the encoder alone only for some shapes");
    }
  }
  return plan::make_plan(std::move(parts.rest), device_.backend(), capacity_ - 1);
}

Program& CachedDecoder::step_program(const StepShape& shape) {
  auto& program = programs_[shape];
  if (!program) program = std::make_unique<Program>(device_, plan_step(shape), bound_);
  return *program;
}

// Position p of row r lies in cache row rows_[r, p]; a reorder permutes the table, new positions go to the
// row itself.
void CachedDecoder::reorder_rows(int rows, std::span<const int32_t> reorder) {
  const std::vector<int32_t> before = std::exchange(rows_, std::vector<int32_t>(size_t(rows * capacity_)));
  for (int row = 0; row < rows; ++row) {
    const int from = reorder.empty() ? row : reorder[size_t(row)];
    if (past_ > 0 && (from < 0 || from >= last_rows_)) {
      throw Error(ErrorCode::kRuntime, "row " + std::to_string(from) + " to continue is not among the " +
                                           std::to_string(last_rows_) + " rows of the last step");
    }
    for (int64_t p = 0; p < capacity_; ++p) {
      const bool cached = p < past_;
      const int32_t held = before.empty() ? from : before[size_t((cached ? from : 0) * capacity_ + p)];
      rows_[size_t(row * capacity_ + p)] = cached ? held : row;
    }
  }
}

void CachedDecoder::write_past() {
  const uint32_t past = uint32_t(past_);
  device_.state()->write(0, std::as_bytes(std::span(&past, 1)));
}

std::span<const float> CachedDecoder::step(std::span<const int64_t> ids, int rows, int length,
                                           std::span<const int32_t> reorder) {
  if (past_ + length > capacity_) {
    throw Error(ErrorCode::kRuntime, "the sequence would grow to " + std::to_string(past_ + length) +
                                         " tokens but the decoder has room for " + std::to_string(capacity_) +
                                         "; ask for fewer new tokens");
  }
  if (past_ > max_past_) {
    throw Error(ErrorCode::kRuntime, "the decoder's tables end after " + std::to_string(max_past_ + 1) +
                                         " tokens; ask for fewer new tokens");
  }
  if (past_ > 0 && rows < last_rows_) {
    throw Error(ErrorCode::kRuntime, "the number of rows cannot shrink within a caption: " +
                                         std::to_string(last_rows_) + " to " + std::to_string(rows));
  }
  allocate_cache(rows);
  const bool table = rows > 1;
  Program& program = step_program({rows, length, table});
  current_ = &program;
  if (table) {
    reorder_rows(rows, reorder);
    program.write(std::string(passes::kBeamRows), std::as_bytes(std::span(rows_)));
  }
  last_rows_ = rows;
  program.write(roles_.ids, std::as_bytes(ids));
  write_past();
  program.run();
  past_ += length;
  return read_logits(program, rows, length);
}

std::span<const float> CachedDecoder::read_logits(Program& program, int rows, int length) {
  const plan::External& slot = program.plan().externals[program.plan().external(roles_.logits)];
  if (!(slot.shape.back() == Dim(vocab_)))
    invalid("the decoder's logits have another width than declared: " + core::shape_text(slot.shape));
  const size_t width = core::dtype_bytes(slot.dtype, size_t(vocab_));
  const int64_t kept = slot.shape[1].value();  // some exports score the last position only
  raw_logits_.resize(width * size_t(rows));
  logits_.resize(size_t(vocab_ * rows));
  for (int row = 0; row < rows; ++row) {
    const size_t at = size_t(row * kept + std::min<int64_t>(kept, length) - 1);
    program.read(roles_.logits, std::span(raw_logits_).subspan(size_t(row) * width, width), at * width);
  }
  if (slot.dtype == core::DType::kF32) {
    std::copy_n(reinterpret_cast<const float*>(raw_logits_.data()), logits_.size(), logits_.data());
  } else if (slot.dtype == core::DType::kF16) {
    const auto* halves = reinterpret_cast<const uint16_t*>(raw_logits_.data());
    std::transform(halves, halves + logits_.size(), logits_.begin(), core::half_to_float);
  } else {
    invalid("the decoder's logits are " + std::string(core::dtype_name(slot.dtype)) + ", not f32 or f16");
  }
  return logits_;
}

}  // namespace vulcap::session
