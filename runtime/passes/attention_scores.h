// The scores of attention as exporters write them: a product of queries and keys, scaled, capped and masked.
#pragma once

#include <optional>
#include <vector>

#include "runtime/passes/rewrite.h"

namespace vulcap::passes {

// Scores are kept where `condition` is `keep` and hidden elsewhere.
struct Hidden {
  ValueId condition = kNoValue;
  bool keep = true;
};

struct Scores {
  ValueId q = kNoValue;
  ValueId k = kNoValue;  // [batch, heads, width, keys]
  std::vector<ValueId> masks;
  std::vector<Hidden> hidden;
  bool causal = false;
  double scale = 1;
  double softcap = 0;
};

// What is known of the scores behind `value`, the operand of a softmax; nothing when it is no such thing.
std::optional<Scores> match_scores(const Matcher& m, ValueId value);

// fp16 files compute the softmax in fp32, which the kernel does anyway: the value before such a cast.
ValueId before_cast(const Matcher& m, ValueId value);
// Older exports compute products over [batch * heads, ...] and view them as [batch, heads, ...] to mask them:
// the value before such a view.
ValueId before_regrouping(const Matcher& m, ValueId value);

}  // namespace vulcap::passes
