// Loop-21, Scan-21 and Scan-8 driven by the host: the body is a session of its own, run once an iteration.
#pragma once

#include <vector>

#include "runtime/session/session.h"

namespace vulcap::session {

using Operand = passes::KnownValue;
using Operands = std::vector<Operand>;

// The body as a graph that can run alone: what it captures from outside becomes inputs behind its own; types
// that the file leaves out are those of `operands` (one an input of the node that holds the body). Captures
// stay listed.
graph::Graph closed_body(const graph::Graph& body, const Operands& operands);

struct Body {
  Session& session;   // of a closed body
  size_t own_inputs;  // before the captured ones

  size_t outputs() const { return session.graph().outputs.size(); }
  const graph::Value& output(size_t i) const;
  // A value of dtype i64 or bool for a scalar input, of rank 1 where the body declares so.
  Operand scalar(size_t input, core::DType dtype, int64_t value) const;
  // Outputs in order. Throws what Session::run throws.
  Operands run(Operands own, const Operands& operands) const;
};

// `operands`: one an input of the node. Return one value an output of the node; throw Error(kInvalidModel)
// when the body does not fit the node.
Operands run_loop(const Body& body, const graph::Node& node, const Operands& operands);
// Attribute `batched`: Scan-8, whose first operand is sequence_lens.
Operands run_scan(const Body& body, const graph::Node& node, const Operands& operands);

}  // namespace vulcap::session
