// Finds the roles of a decoder graph's inputs and outputs from their names, dtypes and shapes.
#pragma once

#include "runtime/graph/graph.h"
#include "runtime/session/decoder_graph.h"

namespace vulcap::loader {

// For decoders of text with or without cross-attention, or with the image encoder inside. `cache` stays empty
// for a decoder without past. `first`: the graph of the first call beside one that takes a past; its presents
// are where the encoder's keys and values come from. Throws core::Error(kInvalidModel) naming the input that
// is missing or has no known role, or a past without present.
session::DecoderRoles find_decoder_roles(const graph::Graph& graph, const graph::Graph* first = nullptr);

}  // namespace vulcap::loader
