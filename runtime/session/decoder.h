// A decoder with a key/value cache on the device: cross-attention inputs are computed once an image, new keys and values are
// appended in place, and a step of one token is recorded once and replayed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/session/session.h"

namespace vulcap::session {

// Roles of a decoder graph's inputs and outputs, found from their names and shapes by the loader.
struct DecoderRoles {
  std::string ids;                                         // i64[rows, length]
  std::string states;                                      // encoder output f[images, positions, width]
  std::string logits;                                      // f[rows, length, vocabulary]
  std::string use_cache;                                   // bool[1] of a merged decoder, "" when there is none
  std::vector<std::pair<std::string, std::string>> cache;  // past [rows, heads, past, width] -> present
};

// Width of the declared output; throws Error(kInvalidModel) when it is not a constant.
int64_t declared_vocab(const graph::Graph& graph, const std::string& logits);

class CachedDecoder {
 public:
  // The graph is the one that takes a past (merged or with-past).
  CachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles, passes::PassOptions options = {});

  // Makes room for sequences of so many positions; to be called before start().
  void reserve(int64_t positions);

  // Starts captions of new images: computes everything that depends on the encoder's output alone.
  // `states` must hold `shape` elements of the graph's dtype and stay untouched until the next start.
  void start(std::shared_ptr<plan::Buffer> states, const core::Shape& shape);
  // ids: rows * length, row-major. The first call after start() holds the prompts. reorder: empty, or for each row the row of
  // the previous call whose cache it continues. Returns rows * vocab() logits of the last position, valid until the next call.
  // Throws Error(kRuntime) when the capacity would be exceeded.
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length, std::span<const int32_t> reorder);

  int64_t vocab() const { return vocab_; }
  // Plans of the last start and step, for reports.
  const plan::Plan* prelude_plan() const { return prelude_ ? &prelude_->plan() : nullptr; }
  const plan::Plan* step_plan() const { return current_ ? &current_->plan() : nullptr; }

 private:
  struct CacheLayout {
    core::DType dtype;
    int64_t heads;
    int64_t width;
  };

  Program& step_program(int rows, int length);
  graph::Graph specialise_step(int rows, int length) const;
  void allocate_cache(int rows);
  void reorder_rows(int rows, std::span<const int32_t> reorder);
  void write_past();
  std::span<const float> read_logits(Program& program, int rows, int length);

  Device& device_;
  graph::Graph graph_;
  DecoderRoles roles_;
  int64_t capacity_ = 0;
  passes::PassOptions options_;
  int64_t vocab_ = 0;
  std::vector<CacheLayout> layouts_;

  core::Shape states_shape_;
  std::shared_ptr<plan::Buffer> states_;
  std::unique_ptr<Program> prelude_;
  std::map<std::string, std::shared_ptr<plan::Buffer>> bound_;  // states, shared values and caches by name
  int cache_rows_ = 0;
  std::map<std::pair<int, int>, std::unique_ptr<Program>> programs_;
  Program* current_ = nullptr;

  int64_t past_ = 0;
  std::vector<int32_t> rows_;  // [rows, capacity]: which cache row holds position p of a row (beam search)
  std::vector<float> logits_;
  std::vector<std::byte> raw_logits_;
};

}  // namespace vulcap::session
