#include "runtime/generate/sampling.h"

#include <cmath>
#include <string>

#include "runtime/core/error.h"
#include "runtime/generate/softmax.h"

namespace vulcap::generate {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

Rng::Rng(uint64_t seed, uint64_t stream) : state_(mix(seed + kGolden) ^ mix(stream * kGolden + 1)) {}

uint64_t Rng::next() {
  state_ += kGolden;
  return mix(state_);
}

double Rng::uniform() { return (static_cast<double>(next() >> 12) + 0.5) * 0x1.0p-52; }

std::size_t draw(std::span<const float> scores, Rng& rng, std::vector<float>& scratch) {
  scratch.resize(scores.size());
  softmax(scores, scratch);
  double total = 0.0;
  for (const float p : scratch) total += p;
  if (!(total > 0.0)) {
    throw core::Error(core::ErrorCode::kRuntime,
                      "no token can be sampled: the scores are NaN or infinite, or every token is forbidden");
  }
  double left = rng.uniform() * total;
  std::size_t last = 0;
  for (std::size_t i = 0; i < scratch.size(); ++i) {
    if (scratch[i] <= 0.0F) continue;
    last = i;
    left -= scratch[i];
    if (left < 0.0) break;
  }
  return last;
}

void draw_without_replacement(std::span<const float> scores, std::size_t k, Rng& rng,
                              std::vector<Candidate>& drawn) {
  // The k largest of score + Gumbel noise are distributed as k draws without replacement.
  std::vector<float> keys(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    keys[i] = scores[i] - static_cast<float>(std::log(-std::log(rng.uniform())));
  }
  top_k(keys, k, drawn);
  for (Candidate& candidate : drawn) {
    if (std::isnan(candidate.score)) {
      throw core::Error(core::ErrorCode::kRuntime,
                        "no token can be sampled: the scores contain NaN, try f32");
    }
    candidate.score = scores[static_cast<std::size_t>(candidate.index)];
  }
}

}  // namespace vulcap::generate
