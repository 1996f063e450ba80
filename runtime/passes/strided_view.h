// Which memory a value reads: a chain of reshapes, transposes and slices seen as strides over the value at
// its root.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/passes/rewrite.h"

namespace vulcap::passes {

struct StridedView {
  ValueId root = kNoValue;
  int64_t offset = 0;            // elements
  core::SymShape shape;          // of the value
  std::vector<int64_t> strides;  // elements, one an axis
  bool known = false;            // false: the root's strides depend on a size that is not constant
};

// Sees the view's elements under another shape; false, and the view is spoilt, when an axis would cross a
// gap.
bool reshape_view(StridedView& view, const core::SymShape& to);

// Never fails: at worst the value is its own root.
StridedView strided_view(const Matcher& matcher, ValueId value);

}  // namespace vulcap::passes
