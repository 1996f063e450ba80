// The index of an item along each axis: kRank axes are in use, at the end of shape; the executor merged
// adjacent ones.
layout(constant_id = 1) const uint kRank = 6;

// Calls VISIT(axis, index along it) for each axis in use.
#define FOR_EACH_AXIS(item, shape, VISIT)                  \
  {                                                        \
    uint vc_rest = item;                                   \
    [[unroll]] for (uint vc_i = 0; vc_i < kRank; ++vc_i) { \
      uint vc_axis = kMaxRank - 1 - vc_i;                  \
      uint vc_index = vc_rest;                             \
      if (vc_i + 1 < kRank) {                              \
        vc_rest = vc_index / shape[vc_axis];               \
        vc_index -= vc_rest * shape[vc_axis];              \
      }                                                    \
      VISIT(vc_axis, vc_index)                             \
    }                                                      \
  }
