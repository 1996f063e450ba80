// Finds the roles of a decoder graph's inputs and outputs from their names, dtypes and shapes.
#pragma once

#include "runtime/graph/graph.h"
#include "runtime/session/decoder.h"

namespace vulcap::loader {

// For decoders with cross-attention. `cache` stays empty for a decoder without past. Throws
// core::Error(kInvalidModel) naming the input that is missing or has no known role, or a past without
// present.
session::DecoderRoles find_decoder_roles(const graph::Graph& graph);

}  // namespace vulcap::loader
