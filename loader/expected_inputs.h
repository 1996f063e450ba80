#pragma once

#include <filesystem>
#include <vector>

#include "runtime/session/session.h"

namespace vulcap::loader {

// The inputs of the test data sets that belong to the file `model` in the expected/ folder beside it or one
// above, in their order; none where a set lacks an input of `graph`, as one of another export does. Throws as
// read_inputs.
std::vector<session::NamedTensors> expected_inputs(const graph::Graph& graph,
                                                   const std::filesystem::path& model);

}  // namespace vulcap::loader
