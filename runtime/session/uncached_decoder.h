// A decoder without a usable cache: every step scores the whole sequence again. Slower than CachedDecoder by
// the length of the sequence, and right for every graph that takes input_ids and the encoder's output.
#pragma once

#include "runtime/session/decoder.h"

namespace vulcap::session {

class UncachedDecoder : public Decoder {
 public:
  // A merged decoder runs its branch without cache; past inputs are fed with length 0.
  UncachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles, passes::PassOptions options = {});

  void reserve(int64_t positions) override;
  void prepare(const EncoderOutput& states, int rows) override;
  void start(const EncoderOutput& states) override;
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override;
  int64_t vocab() const override { return vocab_; }
  std::vector<const plan::Plan*> plans() const override;

 private:
  NamedTensors inputs(int rows) const;
  core::Tensor repeated_states(int rows) const;
  std::span<const float> last_logits(const core::Tensor& logits, int rows);

  Session session_;
  DecoderRoles roles_;
  const int64_t vocab_;
  core::Tensor states_;
  std::vector<std::vector<int64_t>> sequences_;
  std::vector<float> logits_;
  const plan::Plan* last_plan_ = nullptr;
};

}  // namespace vulcap::session
