// The k best of many scores, without sorting the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vulcap::generate {

struct Candidate {
  float score = 0.0F;
  int64_t index = 0;
};

// Order of torch.topk: NaN first, then larger scores. Equal scores are equal.
bool ranks_before(const Candidate& a, const Candidate& b);

// Best first; min(k, scores.size()) of them, in `best` (whose memory is reused). Among equal scores it picks
// and orders as torch.topk on the CPU does: a heap over the first k when k * 64 <= size, else a selection
// followed by a sort. Beam search meets such ties when tokens are forced or forbidden, so they decide which
// ids come out.
void top_k(std::span<const float> scores, std::size_t k, std::vector<Candidate>& best);

// Smallest first, NaN last, as torch.sort on the CPU orders them: by introsort, which decides about equals.
void sort_ascending(std::vector<Candidate>& candidates);

}  // namespace vulcap::generate
