// Text decoders as generation drives them: encoder output in, then tokens in and logits out. CachedDecoder
// keeps keys and values on the device: cross-attention inputs are computed once an image, new keys and values
// are appended in place, and a step of one token is recorded once and replayed.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/session/decoder_graph.h"
#include "runtime/session/session.h"

namespace vulcap::session {

// The encoder's result, which stays where it was computed. Empty for decoders without cross-attention.
struct EncoderOutput {
  std::shared_ptr<plan::Buffer> buffer;  // untouched until the next start
  core::DType dtype = core::DType::kUndefined;
  core::Shape shape;  // [images, positions, width]
  // [images, positions]: 1 where a position counts, 0 where it is padding; empty: all count.
  std::vector<int64_t> mask = {};
};

// The tokens of one call, row-major: ids i64[rows, length] for a decoder with roles.ids, else their
// embeddings f[rows, length, width] in the dtype of roles.embeds.
struct Tokens {
  Tokens(std::span<const int64_t> token_ids) : ids(token_ids) {}
  Tokens(const std::vector<int64_t>& token_ids) : ids(token_ids) {}
  Tokens(const core::Tensor& embeddings) : embeds(embeddings.bytes()) {}

  std::span<const int64_t> ids;
  std::span<const std::byte> embeds;
  // In the first call: how many positions at the front of each row are padding; empty: none are. Only for a
  // decoder that takes_padding().
  std::span<const int32_t> padding = {};
  // i64[planes, length], the same for every row, for a decoder with roles.position_planes.
  std::span<const int64_t> positions = {};

  std::span<const std::byte> bytes() const { return embeds.empty() ? std::as_bytes(ids) : embeds; }
};

class Decoder {
 public:
  virtual ~Decoder() = default;

  // Makes room for sequences of so many positions; to be called before start().
  virtual void reserve(int64_t positions) = 0;
  // Makes plans and uploads weights for encoder outputs of this shape and steps of `rows` rows, so that
  // nothing of that is left to the first caption. Runs nothing.
  virtual void prepare(const EncoderOutput& states, int rows) = 0;
  // Starts captions of new images: computes everything that depends on the encoder's output alone. Several
  // images: as many as there will be rows.
  virtual void start(const EncoderOutput& states) = 0;
  // Whether prompts may be padded, to be asked after start(). Padding is hidden from attention, and position
  // ids count from the first token of the row.
  virtual bool takes_padding() { return false; }
  // The first call after start() holds the prompts. reorder: empty, or for each row the row of the previous
  // call whose cache it continues. Returns rows * vocab() logits of the last position, valid until the next
  // call.
  virtual std::span<const float> step(const Tokens& tokens, int rows, int length,
                                      std::span<const int32_t> reorder) = 0;
  virtual int64_t vocab() const = 0;
  // Plans of the last start and step, for reports.
  virtual std::vector<const plan::Plan*> plans() const = 0;
};

class CachedDecoder : public Decoder {
 public:
  // The graph is the one that takes a past (merged or with-past). `first`: the graph of the first call, which
  // computes roles.encoder_cache; without it a merged `graph` does.
  CachedDecoder(Device& device, graph::Graph graph, DecoderRoles roles, passes::PassOptions options = {},
                std::optional<std::pair<graph::Graph, DecoderRoles>> first = {});

  void reserve(int64_t positions) override;
  // prepare and start throw ops::NeedsStaticShape when the graph uses the cache in a way that cannot be done
  // in place.
  void prepare(const EncoderOutput& states, int rows) override;
  void start(const EncoderOutput& states) override;
  // Throws Error(kRuntime) when the reserved positions would be exceeded.
  std::span<const float> step(const Tokens& tokens, int rows, int length,
                              std::span<const int32_t> reorder) override;
  // Where positions are told by an input and all attention over the cache is fused.
  bool takes_padding() override;
  int64_t vocab() const override { return graph_.vocab(); }
  std::vector<const plan::Plan*> plans() const override;

 private:
  struct StepShape {
    int rows;
    int length;
    bool table;   // attention finds cached positions through rows_
    bool padded;  // rows begin with padding_
    auto operator<=>(const StepShape&) const = default;
  };

  void plan_start(const EncoderOutput& states);
  void add_encoder_cache(const EncoderOutput& states);
  void add_prelude(graph::Graph prelude, const std::vector<std::pair<std::string, std::string>>& handed_over,
                   const EncoderOutput& states);
  plan::Plan plan_step(const StepShape& shape);
  Program& step_program(const StepShape& shape);
  graph::Graph specialise_step(const StepShape& shape, const EncoderOutput& states) const;
  void allocate_cache(int rows);
  void check_room(int rows, int length) const;
  std::span<const float> step_by_token(const Tokens& tokens, int rows, int length,
                                       std::span<const int32_t> reorder);
  void reorder_rows(int rows, std::span<const int32_t> reorder);
  void reorder_padding(int rows, std::span<const int32_t> reorder);
  void write_past();

  Device& device_;
  DecoderGraph graph_;
  std::optional<DecoderGraph> first_;
  int64_t capacity_ = 0;
  std::vector<CacheLayout> layouts_;  // as stored, which may be narrower than declared

  std::optional<EncoderOutput> states_;
  std::vector<std::unique_ptr<Program>> preludes_;              // run in order by start
  std::map<std::string, std::shared_ptr<plan::Buffer>> bound_;  // states, shared values and caches by name
  int cache_rows_ = 0;
  std::map<StepShape, std::unique_ptr<Program>> programs_;
  Program* current_ = nullptr;
  // Made by start to see that the graph allows steps; the first step of that shape takes it.
  std::optional<std::pair<StepShape, plan::Plan>> first_plan_;

  int64_t past_ = 0;
  int64_t max_past_ = INT64_MAX;  // as far as the graph's tables of positions reach
  int last_rows_ = 0;
  // [rows, capacity]: which cache row holds position p of a row, -1 where that is padding; empty: its own.
  std::vector<int32_t> rows_;
  std::vector<int32_t> padding_;  // of each row, at its front; empty: none
  std::optional<bool> takes_padding_;
  std::vector<float> logits_;
};

}  // namespace vulcap::session
