// Decoders of encoder-decoder models. CachedDecoder keeps keys and values on the device: cross-attention
// inputs are computed once an image, new keys and values are appended in place, and a step of one token is
// recorded once and replayed.
#pragma once

#include <compare>
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
  std::string ids;        // i64[rows, length]
  std::string states;     // encoder output f[images, positions, width]
  std::string logits;     // f[rows, length, vocabulary]
  std::string use_cache;  // bool[1] of a merged decoder, "" when there is none
  std::vector<std::pair<std::string, std::string>> cache;  // past [rows, heads, past, width] -> present
};

// The encoder's result, which stays where it was computed.
struct EncoderOutput {
  std::shared_ptr<plan::Buffer> buffer;  // untouched until the next start
  core::DType dtype = core::DType::kUndefined;
  core::Shape shape;  // [images, positions, width]
};

class Decoder {
 public:
  virtual ~Decoder() = default;

  // Makes room for sequences of so many positions; to be called before start().
  virtual void reserve(int64_t positions) = 0;
  // Makes plans and uploads weights for encoder outputs of this shape and steps of `rows` rows, so that
  // nothing of that is left to the first caption. Runs nothing.
  virtual void prepare(const EncoderOutput& states, int rows) = 0;
  // Starts captions of new images: computes everything that depends on the encoder's output alone.
  virtual void start(const EncoderOutput& states) = 0;
  // ids: rows * length, row-major. The first call after start() holds the prompts. reorder: empty, or for
  // each row the row of the previous call whose cache it continues. Returns rows * vocab() logits of the last
  // position, valid until the next call.
  virtual std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                                      std::span<const int32_t> reorder) = 0;
  virtual int64_t vocab() const = 0;
  // Plans of the last start and step, for reports.
  virtual std::vector<const plan::Plan*> plans() const = 0;
};

// Width of the declared output; throws Error(kInvalidModel) when it is not a constant.
int64_t declared_vocab(const graph::Graph& graph, const std::string& logits);

class CachedDecoder : public Decoder {
 public:
  // The graph is the one that takes a past (merged or with-past).
  CachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles, passes::PassOptions options = {});

  void reserve(int64_t positions) override;
  // prepare and start throw ops::NeedsStaticShape when the graph uses the cache in a way that cannot be done
  // in place.
  void prepare(const EncoderOutput& states, int rows) override;
  void start(const EncoderOutput& states) override;
  // Throws Error(kRuntime) when the reserved positions would be exceeded.
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override;
  int64_t vocab() const override { return vocab_; }
  std::vector<const plan::Plan*> plans() const override;

 private:
  struct CacheLayout {
    core::DType dtype;
    int64_t heads;
    int64_t width;
  };

  void prepare_prelude(const EncoderOutput& states);
  struct StepShape {
    int rows;
    int length;
    bool table;  // attention finds cached positions through rows_
    auto operator<=>(const StepShape&) const = default;
  };

  plan::Plan plan_step(const StepShape& shape);
  Program& step_program(const StepShape& shape);
  graph::Graph specialise_step(const StepShape& shape, const core::Shape& states) const;
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

  EncoderOutput states_;
  std::unique_ptr<Program> prelude_;
  std::map<std::string, std::shared_ptr<plan::Buffer>> bound_;  // states, shared values and caches by name
  int cache_rows_ = 0;
  std::map<StepShape, std::unique_ptr<Program>> programs_;
  Program* current_ = nullptr;
  // Made by start to see that the graph allows steps; the first step of that shape takes it.
  std::optional<std::pair<StepShape, plan::Plan>> first_plan_;

  int64_t past_ = 0;
  int64_t max_past_ = INT64_MAX;  // as far as the graph's tables of positions reach
  int last_rows_ = 0;
  std::vector<int32_t> rows_;  // [rows, capacity]: which cache row holds position p of a row; empty: its own
  std::vector<float> logits_;
  std::vector<std::byte> raw_logits_;
};

}  // namespace vulcap::session
