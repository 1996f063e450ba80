#include "runtime/generate/top_k.h"

#include <algorithm>
#include <cmath>

namespace vulcap::generate {
namespace {

constexpr std::size_t kHeapRatio = 64;

// The worst of the kept candidates is at the front. Sinks a hole from the root to a leaf along the worse
// children, then lifts `value` up to its place; std::partial_sort does the same, which settles the order of
// ties.
void replace_front(std::vector<Candidate>& heap, const Candidate& value) {
  const std::size_t size = heap.size();
  std::size_t hole = 0;
  while (2 * hole + 2 < size) {
    std::size_t child = 2 * hole + 2;
    if (ranks_before(heap[child], heap[child - 1])) --child;
    heap[hole] = heap[child];
    hole = child;
  }
  if (2 * hole + 2 == size) {
    heap[hole] = heap[size - 1];
    hole = size - 1;
  }
  while (hole > 0 && ranks_before(heap[(hole - 1) / 2], value)) {
    heap[hole] = heap[(hole - 1) / 2];
    hole = (hole - 1) / 2;
  }
  heap[hole] = value;
}

void load(std::span<const float> scores, std::vector<Candidate>& candidates) {
  candidates.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) candidates.push_back({scores[i], static_cast<int64_t>(i)});
}

}  // namespace

bool ranks_before(const Candidate& a, const Candidate& b) {
  return (std::isnan(a.score) && !std::isnan(b.score)) || a.score > b.score;
}

void top_k(std::span<const float> scores, std::size_t k, std::vector<Candidate>& best) {
  k = std::min(k, scores.size());
  best.clear();
  if (k == 0) return;
  if (k * kHeapRatio > scores.size()) {
    load(scores, best);
    const auto last = best.begin() + static_cast<std::ptrdiff_t>(k) - 1;
    std::nth_element(best.begin(), last, best.end(), ranks_before);
    std::sort(best.begin(), last, ranks_before);
    best.resize(k);
    return;
  }
  load(scores.first(k), best);
  std::make_heap(best.begin(), best.end(), ranks_before);
  for (std::size_t i = k; i < scores.size(); ++i) {
    if (scores[i] <= best.front().score) continue;
    const Candidate candidate{scores[i], static_cast<int64_t>(i)};
    if (ranks_before(candidate, best.front())) replace_front(best, candidate);
  }
  std::sort_heap(best.begin(), best.end(), ranks_before);
}

void sort_ascending(std::vector<Candidate>& candidates) {
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return (std::isnan(b.score) && !std::isnan(a.score)) || a.score < b.score;
  });
}

}  // namespace vulcap::generate
