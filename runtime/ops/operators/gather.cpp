// Gather-13: rows of a table by index.
#include <algorithm>

#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

void infer_gather(InferContext& c) {
  const SymShape& data = c.shape(0);
  const SymShape& index = c.shape(1);
  const size_t axis = c.axis(c.attributes().integer("axis", 0), data.size());
  if (c.dtype(1) != DType::kI64 && c.dtype(1) != DType::kI32) c.fail("indices must be int32 or int64");
  if (data[axis] == Dim(0) && !(core::product(index) == Dim(0))) c.fail("an index into an axis of size 0");
  SymShape to(data.begin(), data.begin() + int64_t(axis));
  to.insert(to.end(), index.begin(), index.end());
  to.insert(to.end(), data.begin() + int64_t(axis) + 1, data.end());
  Fact fact;
  fact.splat = c.in(0).fact.splat;
  const auto values = data.size() == 1 ? c.ints(0) : std::nullopt;
  const auto picks = values ? c.ints(1) : std::nullopt;
  if (picks && to.size() <= 1) {
    std::vector<Dim> picked;
    for (const Dim& pick : *picks) {
      if (!pick.is_constant()) c.fail("index " + pick.text() + " into a shape is not constant");
      picked.push_back((*values)[c.axis(pick.value(), values->size())]);
    }
    fact.ints = std::move(picked);
  }
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

// Rows of `table`, which holds `data` elements of `unit`, into `out`.
void emit_gather(LowerContext& c, ValueId table_id, ValueId out, DType unit, const core::Shape& data,
                 size_t axis) {
  int64_t outer = 1;
  int64_t inner = 1;
  for (size_t i = 0; i < axis; ++i) outer *= data[i];
  for (size_t i = axis + 1; i < data.size(); ++i) inner *= data[i];
  const int64_t count = int64_t(core::element_count(c.shape(1)));
  const uint64_t row_bytes = core::dtype_bytes(unit, size_t(inner));
  // A table too large for one binding is read in parts; each call writes the rows it holds.
  uint64_t rows = uint64_t(data[axis]);
  if (outer == 1 && row_bytes > 0)
    rows = std::min<uint64_t>(rows, std::max<uint64_t>(1, c.limits().max_binding_bytes / row_bytes));
  for (uint64_t begin = 0; begin < uint64_t(data[axis]); begin += rows) {
    const uint64_t end = std::min<uint64_t>(begin + rows, uint64_t(data[axis]));
    abi::GatherParams p{narrow(outer * count * inner),
                        narrow(count),
                        narrow(inner),
                        narrow(data[axis]),
                        uint32_t(begin),
                        uint32_t(end)};
    LoweredBinding table = c.read(table_id);
    if (rows < uint64_t(data[axis])) {
      table.n_begin = begin;
      table.n_end = end;
    }
    c.emit("gather", {unit, c.dtype(1)}, p, {table, c.read(c.in(1)), c.write(out)}, {p.n, 1, 1});
  }
}

void lower_gather(LowerContext& c) {
  const core::Shape data = c.shape(0);
  const int64_t value = c.attributes().integer("axis", 0);
  const size_t axis = size_t(value < 0 ? value + int64_t(data.size()) : value);
  const int64_t bits = int64_t(core::dtype_bits(c.dtype(0)));
  if (bits < 8 && axis + 1 < data.size() && data.back() * bits % 8 == 0) {
    core::Shape bytes = data;  // slices of packed numbers that fill whole bytes move as those
    bytes.back() = data.back() * bits / 8;
    return emit_gather(c, c.in(0), c.out(0), DType::kU8, bytes, axis);
  }
  emit_gather(c, c.in(0), c.out(0), c.dtype(0), data, axis);
}

}  // namespace

void register_gather(OpRegistry& registry) { registry.add({"Gather", "", infer_gather, lower_gather}); }

}  // namespace vulcap::ops
