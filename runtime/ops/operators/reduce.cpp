// Reductions in the form of ReduceMean-18: axes are an operand; none means all.
#include <algorithm>

#include "runtime/ops/movement.h"
#include "runtime/ops/shape_rules.h"

namespace vulcap::ops {
namespace {

struct Row {
  std::string_view name;
  uint32_t op;
};

constexpr Row kRows[] = {
    {"ReduceSum", abi::kReduceSum},       {"ReduceMean", abi::kReduceMean},
    {"ReduceMax", abi::kReduceMax},       {"ReduceMin", abi::kReduceMin},
    {"ReduceProd", abi::kReduceProd},     {"ReduceL1", abi::kReduceL1},
    {"ReduceL2", abi::kReduceL2},         {"ReduceSumSquare", abi::kReduceSumSquare},
    {"ReduceLogSum", abi::kReduceLogSum}, {"ReduceLogSumExp", abi::kReduceLogSumExp},
};

std::vector<bool> reduced_axes(InferContext& c) {
  const size_t rank = c.rank(0);
  std::vector<bool> reduced(rank, false);
  const auto axes = c.has(1) ? c.need_constants(1) : std::vector<int64_t>{};
  if (axes.empty()) return std::vector<bool>(rank, c.attributes().integer("noop_with_empty_axes", 0) == 0);
  for (int64_t axis : axes) reduced[c.axis(axis, rank)] = true;
  return reduced;
}

std::optional<std::vector<Dim>> reduced_ints(InferContext& c) {
  const auto ints = c.ints(0);
  if (!ints || c.rank(0) != 1 || (c.node().op != "ReduceProd" && c.node().op != "ReduceSum"))
    return std::nullopt;
  if (!reduced_axes(c)[0]) return ints;
  const bool sum = c.node().op == "ReduceSum";
  Dim total(sum ? 0 : 1);
  for (const Dim& dim : *ints) total = sum ? total + dim : total * dim;
  return std::vector<Dim>{total};
}

void infer_reduce(InferContext& c) {
  const auto reduced = reduced_axes(c);
  const bool keep = c.attributes().integer("keepdims", 1) != 0;
  SymShape to;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) {
      to.push_back(c.shape(0)[i]);
    } else if (keep) {
      to.emplace_back(1);
    }
  }
  Fact fact;
  fact.ints = reduced_ints(c);
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

// Kept axes first, reduced axes last, by a copy when they are not one run already.
void lower_reduce(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  const auto reduced = reduced_axes(rule);
  const core::Shape shape = c.shape(0);
  const uint32_t op = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) {
                        return row.name == c.node().op;
                      })->op;
  const auto first = size_t(std::find(reduced.begin(), reduced.end(), true) - reduced.begin());
  auto last = first;
  while (last < reduced.size() && reduced[last]) ++last;
  const bool one_run = std::find(reduced.begin() + int64_t(last), reduced.end(), true) == reduced.end();
  abi::ReduceParams p{1, 1, 1, op};
  ValueId from = c.in(0);
  if (one_run) {
    for (size_t i = 0; i < shape.size(); ++i)
      (i < first ? p.outer : i < last ? p.reduce : p.inner) *= narrow(shape[i]);
  } else {
    StridedCopy copy;
    const auto strides = row_major_strides(shape);
    for (bool want : {false, true}) {
      for (size_t i = 0; i < shape.size(); ++i) {
        if (reduced[i] != want) continue;
        (want ? p.reduce : p.outer) *= narrow(shape[i]);
        copy.shape.push_back(shape[i]);
        copy.in_strides.push_back(strides[i]);
      }
    }
    copy.out_strides = row_major_strides(copy.shape);
    from = c.temp(c.dtype(0), copy.shape);
    emit_copy(c, c.in(0), from, copy);
  }
  c.emit("reduce", {c.dtype(0), {}}, p, {c.read(from), c.write(c.out(0))}, {p.outer * p.inner, 1, 1});
}

}  // namespace

void register_reduce(OpRegistry& registry) {
  for (const Row& row : kRows) registry.add({std::string(row.name), "", infer_reduce, lower_reduce});
}

}  // namespace vulcap::ops
