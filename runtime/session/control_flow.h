// Loop-21 and Scan-21 driven by the host: the body is a session of its own, run once an iteration.
#pragma once

#include <vector>

#include "runtime/session/session.h"

namespace vulcap::session {

// The body as a graph that can run alone: what it captures from outside becomes inputs behind its own, with the
// dtypes of `operands` (one an input of the node that holds the body); captures stay listed.
graph::Graph closed_body(const graph::Graph& body, const std::vector<core::Tensor>& operands);

struct Body {
  Session& session;   // of a closed body
  size_t own_inputs;  // before the captured ones

  size_t outputs() const { return session.graph().outputs.size(); }
  const graph::Value& output(size_t i) const;
  // A value of dtype i64 or bool for a scalar input, of rank 1 where the body declares so.
  core::Tensor scalar(size_t input, core::DType dtype, int64_t value) const;
  // Outputs in order. Throws what Session::run throws.
  std::vector<core::Tensor> run(std::vector<core::Tensor> own,
                                const std::vector<core::Tensor>& operands) const;
};

// `operands`: one an input of the node, kUndefined where absent. Return one tensor an output of the node; throw
// Error(kInvalidModel) when the body does not fit the node.
std::vector<core::Tensor> run_loop(const Body& body, const graph::Node& node,
                                   const std::vector<core::Tensor>& operands);
std::vector<core::Tensor> run_scan(const Body& body, const graph::Node& node,
                                   const std::vector<core::Tensor>& operands);

}  // namespace vulcap::session
