// Prompts of different lengths on a decoder that takes no padding: rows of equal length run together, each
// group on a decoder of its own. Weights are shared, caches are not; a step costs a run for each length.
#pragma once

#include <functional>

#include "runtime/session/decoder.h"

namespace vulcap::session {

// For decoders without cross-attention.
class GroupedDecoder : public Decoder {
 public:
  // `make` gives decoders of the same graph.
  explicit GroupedDecoder(std::function<std::unique_ptr<Decoder>()> make);

  void reserve(int64_t positions) override;
  void prepare(const EncoderOutput& states, int rows) override;
  void start(const EncoderOutput& states) override;
  bool takes_padding() override { return true; }
  std::span<const float> step(const Tokens& tokens, int rows, int length,
                              std::span<const int32_t> reorder) override;
  int64_t vocab() const override { return decoders_.front()->vocab(); }
  std::vector<const plan::Plan*> plans() const override;

 private:
  // Rows of the last call that decoders_[i] of the i-th group holds, in its order.
  using Group = std::vector<int32_t>;

  // The decoder of a new group, started.
  void add_group(Group rows);
  void group_by_padding(std::span<const int32_t> padding, int rows);
  // Follows the rows of the last call to those of this one; returns each group's own reorder.
  std::vector<std::vector<int32_t>> regroup(int rows, std::span<const int32_t> reorder);
  void step_group(size_t index, const Tokens& tokens, int rows, int length, std::span<const int32_t> reorder);

  std::function<std::unique_ptr<Decoder>()> make_;
  std::vector<std::unique_ptr<Decoder>> decoders_;  // kept from prompt to prompt
  int64_t positions_ = 0;
  std::vector<Group> groups_;  // empty before the first call
  std::vector<float> logits_;
};

}  // namespace vulcap::session
