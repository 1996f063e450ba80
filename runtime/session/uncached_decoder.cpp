#include "runtime/session/uncached_decoder.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace vulcap::session {

UncachedDecoder::UncachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles,
                                 passes::PassOptions options)
    : session_(device, std::move(graph), std::move(options)),
      roles_(std::move(roles)),
      vocab_(declared_vocab(session_.graph(), roles_.logits)) {}

void UncachedDecoder::reserve(int64_t) {}

// Its plans depend on the length of the sequence, so there is none to make ahead.
void UncachedDecoder::prepare(const EncoderOutput&, int) {}

void UncachedDecoder::start(const EncoderOutput& states) {
  core::Tensor tensor(states.dtype, states.shape);
  states.buffer->read(0, tensor.mutable_bytes());
  states_ = std::move(tensor);
  sequences_.clear();
}

std::span<const float> UncachedDecoder::step(std::span<const int64_t> ids, int rows, int length,
                                             std::span<const int32_t> reorder) {
  std::vector<std::vector<int64_t>> next(static_cast<size_t>(rows));
  for (int row = 0; row < rows; ++row) {
    auto& sequence = next[size_t(row)];
    if (!sequences_.empty())
      sequence = sequences_[reorder.empty() ? size_t(row) : size_t(reorder[size_t(row)])];
    sequence.insert(sequence.end(), ids.begin() + row * length, ids.begin() + (row + 1) * length);
  }
  sequences_ = std::move(next);
  Program& program = session_.prepare(inputs(rows));
  program.run();
  last_plan_ = &program.plan();
  return last_logits(program.read(roles_.logits), rows);
}

std::vector<const plan::Plan*> UncachedDecoder::plans() const {
  return last_plan_ != nullptr ? std::vector<const plan::Plan*>{last_plan_}
                               : std::vector<const plan::Plan*>{};
}

NamedTensors UncachedDecoder::inputs(int rows) const {
  std::vector<int64_t> flat;
  for (const auto& sequence : sequences_) flat.insert(flat.end(), sequence.begin(), sequence.end());
  const auto positions = int64_t(sequences_.at(0).size());
  NamedTensors tensors;
  tensors[roles_.ids] = core::Tensor::from<int64_t>(core::DType::kI64, {rows, positions}, flat);
  tensors[roles_.states] = repeated_states(rows);
  if (!roles_.use_cache.empty()) tensors[roles_.use_cache] = core::Tensor(core::DType::kBool, {1});
  for (const auto& [past, present] : roles_.cache) {
    const graph::Value& value = session_.graph().value(session_.graph().find_input(past));
    tensors[past] =
        core::Tensor(value.dtype, {rows, (*value.shape)[1].value(), 0, (*value.shape)[3].value()});
  }
  return tensors;
}

core::Tensor UncachedDecoder::repeated_states(int rows) const {
  core::Shape shape = states_.shape();
  if (rows == shape[0]) return states_;
  shape[0] = rows;
  core::Tensor repeated(states_.dtype(), shape);
  const auto bytes = states_.bytes();
  for (int row = 0; row < rows; ++row)
    std::copy(bytes.begin(), bytes.end(), repeated.mutable_bytes().begin() + row * int64_t(bytes.size()));
  return repeated;
}

std::span<const float> UncachedDecoder::last_logits(const core::Tensor& logits, int rows) {
  const int64_t kept = logits.shape().at(1);  // some exports score the last position only
  logits_.resize(size_t(rows * vocab_));
  for (int row = 0; row < rows; ++row) {
    const int64_t from = ((row + 1) * kept - 1) * vocab_;
    for (int64_t i = 0; i < vocab_; ++i)
      logits_[size_t(row * vocab_ + i)] = float(logits.at_f64(size_t(from + i)));
  }
  return logits_;
}

}  // namespace vulcap::session
