// Which files of a repository a model needs.
#pragma once

#include <string>
#include <vector>

#include "loader/model_dir.h"

namespace vulcap::hub {

// Of the paths in a repository: settings, tokenizer files and templates; of each graph in the root and in
// onnx/ the best variant that `dtype` allows, and the files named after it that hold its weights. A merged
// decoder stands for the decoders that it was merged from, model.onnx for what is derived from it
// (model_O2.onnx). Sorted. Throws core::Error(kInvalidModel) when there is no graph, or none of the dtype,
// saying which there are.
std::vector<std::string> choose_files(const std::vector<std::string>& names,
                                      const loader::DtypeRequest& dtype);

}  // namespace vulcap::hub
