// Processors of sampling ("warpers"): temperature and the filters that leave only likely tokens. A filtered
// token gets minus infinity. `keep` is transformers' min_tokens_to_keep.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/generate/logits_processor.h"
#include "runtime/generate/top_k.h"

namespace vulcap::generate {

// TemperatureLogitsWarper
class Temperature : public LogitsProcessor {
 public:
  explicit Temperature(double temperature) : temperature_(static_cast<float>(temperature)) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  float temperature_;
};

// TopKLogitsWarper: ties with the k-th score stay.
class KeepTopK : public LogitsProcessor {
 public:
  KeepTopK(int64_t k, int64_t keep) : k_(static_cast<std::size_t>(k > keep ? k : keep)) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  std::size_t k_;
  std::vector<Candidate> best_;
};

// TopPLogitsWarper
class KeepTopP : public LogitsProcessor {
 public:
  KeepTopP(double p, int64_t keep) : p_(p), keep_(keep) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  double p_;
  int64_t keep_;
  std::vector<float> probabilities_;
  std::vector<Candidate> order_;
};

// MinPLogitsWarper
class KeepMinP : public LogitsProcessor {
 public:
  KeepMinP(double p, int64_t keep) : p_(p), keep_(static_cast<std::size_t>(keep)) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  double p_;
  std::size_t keep_;
  std::vector<Candidate> best_;
  std::vector<float> probabilities_;
};

// TypicalLogitsWarper
class KeepTypical : public LogitsProcessor {
 public:
  KeepTypical(double mass, int64_t keep) : mass_(mass), keep_(keep) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  double mass_;
  int64_t keep_;
  std::vector<float> log_probabilities_;
  std::vector<float> probabilities_;
  std::vector<Candidate>
      order_;  // by distance from the entropy, nearest first: `score` is the negated distance
};

// EpsilonLogitsWarper (entropy unused) and EtaLogitsWarper (threshold lowered where the entropy is high).
class KeepAboveCutoff : public LogitsProcessor {
 public:
  enum class Kind { kEpsilon, kEta };
  KeepAboveCutoff(Kind kind, double cutoff, int64_t keep)
      : kind_(kind), cutoff_(static_cast<float>(cutoff)), keep_(static_cast<std::size_t>(keep)) {}
  void apply(int64_t row, std::span<const int64_t> ids, std::span<float> scores) override;

 private:
  float threshold(std::span<const float> scores) const;

  Kind kind_;
  float cutoff_;
  std::size_t keep_;
  std::vector<Candidate> best_;
  std::vector<float> probabilities_;
};

}  // namespace vulcap::generate
