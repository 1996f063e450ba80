#include "runtime/ops/norm.h"

namespace vulcap::ops {

void emit_norm(LowerContext& c, const NormOperands& o, abi::LayerNormParams p) {
  const auto given = [](ValueId id) { return id != graph::kNoValue; };
  const bool reads_moments = (p.flags & abi::kNormGiven) != 0;
  NormOperands all = o;
  if (!reads_moments && given(o.mean) != given(o.inverse))
    (given(o.mean) ? all.inverse : all.mean) = c.temp(DType::kF32, {p.rows});
  p.flags |= (given(o.skip) ? abi::kNormSkip : 0) | (given(o.scale) ? 0 : abi::kNormNoScale) |
             (given(o.bias) ? abi::kNormBias : 0) | (given(o.sum) ? abi::kNormSum : 0);
  if (!reads_moments && given(all.mean)) p.flags |= abi::kNormMoments;
  const auto read_or_x = [&](ValueId id) { return c.read(given(id) ? id : o.x); };
  const auto write_or_y = [&](ValueId id) { return c.write(given(id) ? id : o.y); };
  c.emit("layer_norm", {c.value(o.x).dtype, {}}, p,
         {c.read(o.x), read_or_x(o.skip), read_or_x(o.scale), read_or_x(o.bias), c.write(o.y),
          write_or_y(o.sum), reads_moments ? c.read(all.mean) : write_or_y(all.mean),
          reads_moments ? c.read(all.inverse) : write_or_y(all.inverse)},
         {p.rows, 1, 1});
}

}  // namespace vulcap::ops
