// A decoder's graph with its inputs and outputs known by role, made for the sizes of one call.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"
#include "runtime/session/program.h"

namespace vulcap::session {

// Roles of a decoder graph's inputs and outputs, found from their names and shapes by the loader. "" where
// the graph has no such input. Every token attends to all positions before it but padding.
struct DecoderRoles {
  std::string ids;          // i64[rows, length], or
  std::string embeds;       // f[rows, length, width]: the caller embeds the tokens
  std::string states;       // encoder output f[images, positions, width], or what else stays the same while
                            // a caption grows, like pixels; "" for text alone
  std::string logits;       // f[rows, length, vocabulary]
  std::string use_cache;    // bool[1] of a merged decoder
  std::string mask;         // attention_mask [rows, past + length]
  std::string states_mask;  // encoder_attention_mask [images, positions]
  std::string positions;    // position_ids [rows, length]: first_position + past + index
  std::string cache_position;                              // [length]: past + index, padding counted
  std::string logits_kept;                                 // num_logits_to_keep, always 1
  std::vector<std::pair<std::string, std::string>> cache;  // past [rows, heads, past, width] -> present
  // Keys and values of cross-attention, [images, heads, positions, width]: past -> present of the first call.
  std::vector<std::pair<std::string, std::string>> encoder_cache;
  int64_t first_position = 0;
  // Not 0: position_ids are [planes, rows, length], and come with the tokens (M-RoPE of Qwen2-VL).
  int64_t position_planes = 0;
};

// The sizes of one call. `past`: positions before it, a number or the symbol $past, whose cached values are
// stored with room for `capacity` positions.
struct CallSizes {
  int rows = 1;
  int length = 1;
  core::Dim past = core::Dim(0);
  int64_t capacity = 0;
  core::Shape states;          // of the encoder's output; empty without cross-attention
  bool states_masked = false;  // encoder_attention_mask is given, not promised to be ones
  bool padded = false;         // position_ids are given, not promised to count from `past`
  bool split_prefix = true;    // see passes::split_prefix; of calls without a past
};

// What one cached value looks like.
struct CacheLayout {
  core::DType dtype = core::DType::kUndefined;
  int64_t heads = 0;
  int64_t width = 0;
};

class DecoderGraph {
 public:
  // Throws Error(kInvalidModel) when a role names no input or its shape leaves heads, widths or the
  // vocabulary open.
  DecoderGraph(graph::Graph graph, DecoderRoles roles, passes::PassOptions options);

  const DecoderRoles& roles() const { return roles_; }
  int64_t vocab() const { return vocab_; }
  const std::vector<CacheLayout>& layouts() const { return layouts_; }  // one an entry of roles().cache
  // Whether calls with a past hold one token a row: the graph declares that, or is the branch of a merged
  // decoder, which exporters trace with one token.
  bool steps_by_token() const { return steps_by_token_; }
  // All passes done, with the logits of the last position alone; inputs that nobody reads are left out.
  // `use_cache` chooses the branch of a merged decoder.
  graph::Graph specialise(const CallSizes& sizes, bool use_cache) const;
  // The part of a first call (without past) that computes these outputs from the encoder's output.
  graph::Graph first_call(const core::Shape& states, const std::vector<std::string>& outputs) const;
  // Inputs that stay the same from the start of a caption to its end.
  std::vector<std::string> invariant_inputs() const;
  // Writes the masks that `program` takes: ones, and `states_mask`, see EncoderOutput::mask, repeated for all
  // rows.
  void fill_masks(Program& program, std::span<const int64_t> states_mask) const;

 private:
  graph::Graph bind_sizes(const CallSizes& sizes, bool use_cache) const;
  passes::InputSpec spec(const graph::Value& input, const CallSizes& sizes, bool use_cache) const;

  graph::Graph graph_;
  DecoderRoles roles_;
  passes::PassOptions options_;
  int64_t vocab_ = 0;
  bool steps_by_token_ = false;
  std::vector<CacheLayout> layouts_;
  std::vector<CacheLayout> encoder_layouts_;
};

// Width of the declared output; throws Error(kInvalidModel) when it is not a constant.
int64_t declared_vocab(const graph::Graph& graph, const std::string& logits);

// The logits of each row's last position as f32, into `logits`: rows * vocab of them.
void read_last_logits(const Program& program, const std::string& name, int rows, int64_t vocab,
                      std::vector<float>& logits);

// Position ids past, past + 1, ... for every row, less its `padding` (empty: none) but not below 0, in the
// dtype of the program's input; nothing when it has no such input.
void write_positions(Program& program, const std::string& name, int rows, int length, int64_t past,
                     std::span<const int32_t> padding = {});

// Which image each row reads, into the tables of passes::add_image_rows.
void write_images(Program& program, std::span<const int32_t> image_of_row);

// Position ids i64[planes, length], the same for every row.
void write_positions(Program& program, const DecoderRoles& roles, int rows,
                     std::span<const int64_t> positions);

}  // namespace vulcap::session
