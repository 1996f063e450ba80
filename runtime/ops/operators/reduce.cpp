// Reductions in the form of ReduceMean-18: axes are an operand; none means all.
#include <algorithm>

#include "runtime/ops/compose.h"
#include "shaders/abi.h"

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
  if (c.node().op == "ReduceSum" && core::dtype_is_integer(c.dtype(0))) {
    if (const auto splat = c.splat(0)) {
      Dim sum = Dim(int64_t(*splat));
      for (size_t i = 0; i < reduced.size(); ++i) sum = reduced[i] ? sum * c.shape(0)[i] : sum;
      fact.affine = graph::AffineIndex{sum, std::vector<int64_t>(to.size(), 0)};
    }
  }
  c.set(0, c.dtype(0), std::move(to), std::move(fact));
}

// What the partial results of the innermost axes are made by, and what combines them; the last step is the
// operator.
struct Steps {
  uint32_t first;
  uint32_t between;
  uint32_t last;
};

Steps steps_of(uint32_t op) {
  if (op == abi::kReduceSumSquare) return {op, abi::kReduceSum, abi::kReduceSum};
  if (op == abi::kReduceLogSum) return {abi::kReduceSum, abi::kReduceSum, op};
  return {op, op, op};
}

// Axes [begin, end) of a value.
struct Run {
  size_t begin;
  size_t end;
};

std::vector<Run> reduced_runs(const std::vector<bool>& reduced) {
  std::vector<Run> runs;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) continue;
    if (!runs.empty() && runs.back().end == i) {
      ++runs.back().end;
    } else {
      runs.push_back({i, i + 1});
    }
  }
  return runs;
}

// The innermost run of reduced axes goes first: nothing has to move for the outer ones.
void lower_reduce(LowerContext& c) {
  InferContext rule(c.graph(), c.node());
  Compose make(c);
  const uint32_t op = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) {
                        return row.name == c.node().op;
                      })->op;
  auto runs = reduced_runs(reduced_axes(rule));
  const size_t rank = c.shape(0).size();
  if (runs.empty()) runs.push_back({rank, rank});
  const Steps steps = steps_of(op);
  ValueId x = c.in(0);
  for (size_t i = runs.size(); i-- > 0;) {
    const bool first = i + 1 == runs.size(), last = i == 0;
    const uint32_t step = first && last ? op : first ? steps.first : last ? steps.last : steps.between;
    x = make.reduce(step, x, runs[i].begin, runs[i].end, last ? c.out(0) : graph::kNoValue);
  }
}

}  // namespace

void register_reduce(OpRegistry& registry) {
  for (const Row& row : kRows) registry.add({std::string(row.name), "", infer_reduce, lower_reduce});
}

}  // namespace vulcap::ops
