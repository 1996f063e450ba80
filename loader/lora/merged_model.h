// Models with an adapter merged into them, in memory and as files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/lora/adapter.h"
#include "loader/onnx/model.h"

namespace vulcap::lora {

// Merges into `model`, read from `path`; errors name both.
Adapter::Merged merge(const Adapter& adapter, const std::filesystem::path& path, onnx::ModelDef& model);

// Throws core::Error(kInvalidModel): the model, a file or a folder, lacks the weights of these modules.
[[noreturn]] void fail_unmatched(const std::filesystem::path& model, const Adapter& adapter,
                                 const std::vector<std::string>& modules, const std::string& advice);

// read_model with the adapter in its weights. A model in several files has a part of the adapter's modules in
// each: modules that this file lacks must be in another .onnx file beside it. Throws
// core::Error(kInvalidModel) that lists those which are nowhere; otherwise as read_model, Adapter::load and
// merge_into.
onnx::ModelDef read_merged_model(const std::filesystem::path& model, const std::filesystem::path& adapter);

// Writes `model` with the adapter merged to `out`, see onnx::rewrite_model. With `partial`, modules that the
// file lacks are left out and listed in the answer; otherwise they are an error, kInvalidModel, that lists
// them. So is an adapter of which the file has no module at all.
Adapter::Merged write_merged_model(const std::filesystem::path& model, const std::filesystem::path& adapter,
                                   const std::filesystem::path& out, bool partial);

}  // namespace vulcap::lora
