// Text decoders as generation drives them: encoder output in, then tokens in and logits out. CachedDecoder
// keeps keys and values on the device: cross-attention inputs are computed once an image, new keys and values
// are appended in place, and a step of one token is recorded once and replayed.
#pragma once

#include <compare>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/passes/beam_rows.h"
#include "runtime/passes/hoist.h"
#include "runtime/session/decoder_graph.h"
#include "runtime/session/row_images.h"
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
  // Starts captions of new images: computes everything that depends on the encoder's output alone. The rows
  // of the first call are shared out evenly: those of the first image come first. Throws
  // core::Error(kInvalidModel) where the graph does not keep several images apart.
  virtual void start(const EncoderOutput& states) = 0;
  // Whether prompts may be padded, to be asked after start(). Padding is hidden from attention, and position
  // ids count from the first token of the row.
  virtual bool takes_padding() { return false; }
  // The first call after start() holds the prompts. reorder: empty, or for each row the row of the previous
  // call whose cache it continues; where rows leave, it names those that stay. Returns rows * vocab() logits
  // of the last position, valid until the next call.
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
    int cache_rows;  // more than one: attention finds cached positions through rows_
    bool padded;     // rows begin with padding_
    auto operator<=>(const StepShape&) const = default;
  };

  // What computes all that follows from the encoder's output at one place.
  struct Source {
    EncoderOutput states;
    std::vector<std::unique_ptr<Program>> preludes;  // run in order by start
  };
  struct Step {
    std::unique_ptr<Program> program;
    std::vector<int32_t> images;  // of its rows, as the program has them
  };

  bool planned_for(const EncoderOutput& states) const;
  void plan_start(const EncoderOutput& states);
  Source& source_of(const EncoderOutput& states);
  void add_source(const EncoderOutput& states, const passes::Hoisted& parts);
  void add_encoder_cache(Source& source);
  // `handed_over`: input of later programs, output of this one.
  void add_prelude(Source& source, graph::Graph prelude,
                   const std::vector<std::pair<std::string, std::string>>& handed_over);
  passes::Hoisted hoist_step(const StepShape& shape, const EncoderOutput& states) const;
  plan::Plan plan_step(const StepShape& shape);
  Step& step_for(const StepShape& shape);
  graph::Graph specialise_step(const StepShape& shape, const EncoderOutput& states) const;
  void allocate_cache(int rows);
  void check_room(int length) const;
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

  std::optional<EncoderOutput> states_;  // of the last start
  int images_ = 0;                       // that the shared values have room for
  passes::HeldValues held_;              // shapes of the shared values
  passes::HeldValues by_image_;          // those that steps of several images read by tables
  bool reads_states_ = false;            // a step reads the encoder's output itself
  std::list<Source> sources_;            // the last one used in front
  std::map<std::string, std::shared_ptr<plan::Buffer>> bound_;  // shared values and caches by name
  int cache_rows_ = 0;
  std::map<StepShape, Step> steps_;
  Program* current_ = nullptr;
  // Made by start to see that the graph allows steps; the first step of that shape takes it.
  std::optional<std::pair<StepShape, plan::Plan>> first_plan_;

  int64_t past_ = 0;
  int64_t max_past_ = INT64_MAX;  // as far as the graph's tables of positions reach
  RowImages images_of_rows_;
  // [rows, capacity]: which cache row holds position p of a row, -1 where that is padding; empty: its own.
  std::vector<int32_t> rows_;
  std::vector<int32_t> padding_;  // of each row, at its front; empty: none
  std::optional<bool> takes_padding_;
  std::vector<float> logits_;
};

}  // namespace vulcap::session
