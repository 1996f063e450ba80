// Drawn inputs of a graph: the same numbers for the same seed on every machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "runtime/core/dim.h"
#include "runtime/graph/graph.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

using SymbolSizes = std::map<core::Symbol, int64_t>;

// "f32[batch,3,224,224]"; "f32[?]" where no shape is declared.
std::string type_text(const graph::Value& value);

// "input_ids i64[1,4], pixel_values f32[1,3,224,224]"
std::string inputs_text(const session::NamedTensors& inputs);

// `inputs` with a value for each input of `graph` that it lacks: floats uniform in [-1, 1), integers in {0,
// 1}, which are valid as ids, masks and lengths. Sequences stay empty. Throws core::Error(kUsage) for an
// input that declares no shape and for a symbol without a size.
session::NamedTensors draw_inputs(const graph::Graph& graph, const SymbolSizes& sizes, uint64_t seed,
                                  session::NamedTensors inputs = {});

// `sizes` with a size for each symbol of the inputs' shapes that it lacks, small and by what exporters' names
// mean: one batch, images of 3 x 224 x 224, four tokens, or one behind three cached ones where there is a
// past. Images have the size that the processor's settings in the folder of the file `model`, or in the one
// above, give them; `model` may be empty.
SymbolSizes with_usual_sizes(const graph::Graph& graph, SymbolSizes sizes,
                             const std::filesystem::path& model);

}  // namespace vulcap::loader
