// What the expansions of attention operators share.
#pragma once

#include <array>
#include <optional>

#include "runtime/ops/op_registry.h"

namespace vulcap::ops {

struct RotaryRequest {
  ValueId cos = graph::kNoValue;  // [rows, half]
  ValueId sin = graph::kNoValue;
  ValueId ids = graph::kNoValue;
  bool interleaved = false;
  // The row of the tables, see abi::RotaryParams.
  std::array<int64_t, 2> ids_strides{};
  std::array<int64_t, 2> row_strides{};
  int64_t row_offset = 0;
};

// x [batch, heads, position, width] or, by_position, [batch, position, heads, width].
ValueId expand_rotary(ExpandContext& c, const RotaryRequest& request, ValueId x, bool by_position);
// Throws unless the tables turn `rotary` elements; 0 leaves that to them.
void check_table_width(ExpandContext& c, const RotaryRequest& request, int64_t rotary);

// Which product of attention is wanted besides its result.
enum class Scores { kNone, kRaw, kCapped, kMasked, kProbabilities };

// Scaled dot-product attention over [batch, heads, position, width] operands.
struct AttentionRequest {
  ValueId q = graph::kNoValue;
  ValueId k = graph::kNoValue;  // the heads of k and v divide those of q
  ValueId v = graph::kNoValue;
  ValueId mask = graph::kNoValue;     // added to the scores; broadcasts to them
  ValueId lengths = graph::kNoValue;  // i32[batch]: keys that count
  ValueId sink = graph::kNoValue;     // [heads]: score of one more key, whose value is 0
  float scale = 1;
  float softcap = 0;
  // Causal: a query i sees keys up to i + n - new_keys, n the number of keys or, causal_lengths, the entry's
  // length.
  std::optional<int64_t> new_keys;
  bool causal_lengths = false;
  int64_t window = 0;  // > 0, causal: only the last so many of them
  Scores scores = Scores::kNone;
};

struct AttentionResult {
  ValueId output = graph::kNoValue;  // [batch, heads, position, width]
  ValueId scores = graph::kNoValue;  // [batch, heads, queries, keys] when asked for
};

AttentionResult expand_attention(ExpandContext& c, const AttentionRequest& request);

// x [batch, heads, position, width] with each head repeated up to `heads`.
ValueId repeat_heads(ExpandContext& c, ValueId x, const Dim& heads);
// [batch, position, heads * width] <-> [batch, heads, position, width]
ValueId split_heads(ExpandContext& c, ValueId x, int64_t heads);
ValueId merge_heads(ExpandContext& c, ValueId x);
// 0 where `keep` (bool), `masked` elsewhere.
ValueId additive_mask(ExpandContext& c, ValueId keep, DType dtype, double masked);
ValueId cast(ExpandContext& c, ValueId value, DType dtype);
ValueId concat(ExpandContext& c, std::vector<ValueId> parts, int64_t axis);
// The mask with leading axes of size 1 up to `rank`.
ValueId with_rank(ExpandContext& c, ValueId value, size_t rank);

}  // namespace vulcap::ops
