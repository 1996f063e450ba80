// What a model is made of, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "loader/onnx/model.h"

namespace vulcap::onnx {

// Of the graph and its subgraphs.
struct Census {
  std::map<std::string, int> operators;  // nodes by "Add", "com.microsoft.BiasGelu"
  int nodes = 0;
  int initializers = 0;
  uint64_t parameters = 0;  // elements of initialisers
  uint64_t bytes = 0;       // of initialisers
};

Census census_of(const GraphDef& graph);

}  // namespace vulcap::onnx
