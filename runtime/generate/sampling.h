// Random choice of tokens. The generator is our own (SplitMix64), not torch's: a seed gives the same
// sequences on every machine with the same logits, but not those of torch.manual_seed. Each row has a stream
// of its own, so a sequence does not depend on how long its neighbours in the batch go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/generate/top_k.h"

namespace vulcap::generate {

class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0);
  uint64_t next();
  // In (0, 1).
  double uniform();

 private:
  uint64_t state_;
};

// Draws one index with the probabilities softmax(scores). `scratch` is resized as needed.
// Throws Error(kRuntime) when the scores have a NaN or +inf, or leave no token.
std::size_t draw(std::span<const float> scores, Rng& rng, std::vector<float>& scratch);

// Draws k different indices, each next one with the probabilities softmax(scores) of those left, in the order
// drawn (torch.multinomial without replacement). Candidate::score is the entry of `scores`. Impossible ones
// (minus infinity) come last. Throws Error(kRuntime) for NaN.
void draw_without_replacement(std::span<const float> scores, std::size_t k, Rng& rng,
                              std::vector<Candidate>& drawn);

}  // namespace vulcap::generate
