#pragma once

#include <cstddef>

#include "loader/onnx/editable_model.h"

namespace vulcap::conversion {

struct MergedInitializers {
  size_t count = 0;  // initialisers that are gone
  size_t bytes = 0;  // that they held
};

// Initialisers of one type, shape and content become one, which all their readers read; those of branches and
// loop bodies too: where only branches hold it, it moves to the outermost graph. Initialisers that are inputs
// or outputs of a graph stay, and so do those of a name that several graphs define.
MergedInitializers merge_equal_initializers(onnx::EditableModel& model);

}  // namespace vulcap::conversion
