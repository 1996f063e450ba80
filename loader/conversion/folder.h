// Model folders as conversions read and write them.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "loader/model_dir.h"

namespace vulcap::conversion {

// Copies what `from` holds beside its models (list_onnx_files) and their external data: settings, tokenizers,
// expected answers. Left out: names beginning with a dot, and `without`, names at the top of the folder.
// Throws core::Error: kInvalidModel for a model whose external data cannot be told, kRuntime when something
// cannot be copied.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to,
                     const std::set<std::string>& without = {});

// A copy of the model folder `from` at `to`, with the models that `convert` writes in place of its own.
// Nothing is left at `to` when something throws.
using ConvertFile = std::function<void(const loader::OnnxFile& model, const std::filesystem::path& out)>;
void convert_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                    const ConvertFile& convert, const std::set<std::string>& without = {});

}  // namespace vulcap::conversion
