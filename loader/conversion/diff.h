// Two models side by side: what differs in the files, and how far apart their answers are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loader/onnx/model.h"
#include "loader/tensor_difference.h"
#include "runtime/graph/graph.h"
#include "runtime/session/session.h"

namespace vulcap::conversion {

template <typename T>
struct Pair {
  T a = {}, b = {};
  bool same() const { return a == b; }
};

struct WeightChange {
  std::string name;
  loader::TensorDifference difference;  // of b from a; a mismatch where type or shape changed
};

struct StructureDiff {
  Pair<int> nodes, initializers;  // subgraphs included
  Pair<uint64_t> weight_bytes;
  std::map<std::string, Pair<int>> operators;  // "com.microsoft.MatMulNBits" -> how many; all that occur
  std::vector<std::string> interface;          // lines: opsets, inputs and outputs that differ
  size_t weights_equal = 0;                    // of the outermost graph, by name
  std::vector<std::string> weights_only_a, weights_only_b;
  std::vector<WeightChange> weights_changed;
  // Nodes of the outermost graph, known by their first output.
  std::vector<std::string> nodes_only_a, nodes_only_b;
  std::vector<std::string> nodes_changed;  // lines: another operator, other operands or attributes

  bool same() const;
};

StructureDiff compare_structure(const onnx::ModelDef& a, const onnx::ModelDef& b);

struct OutputDiff {
  std::string name;
  loader::TensorDifference difference;  // of b from a
  bool agrees = false;
};

// The first value, in a's order of execution, that both graphs compute under one name and that is not the
// same.
struct Divergence {
  std::string value, node_a, node_b;  // nodes as "name (operator)"
  loader::TensorDifference difference;
};

struct AnswersDiff {
  std::string problem;  // why the answers cannot be compared; empty: they were
  std::vector<OutputDiff> outputs;
  size_t values_compared = 0;  // while looking for the divergence
  std::optional<Divergence>
      first;  // looked for where outputs differ; none: no value of a common name differs
  bool agree() const;
};

struct AnswerOptions {
  double tolerance = 0;  // share of an output's range (see loader::tolerance); integers must be equal
  bool search = true;    // for the first diverging node
  passes::PassOptions passes = {};
};

// Runs both on `inputs`, those of a; where b declares another float type they are converted.
AnswersDiff compare_answers(const graph::Graph& a, const graph::Graph& b, const session::NamedTensors& inputs,
                            session::Device& device, const AnswerOptions& options);

}  // namespace vulcap::conversion
