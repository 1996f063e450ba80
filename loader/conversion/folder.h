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

// Copies a model and its external data as they are; `to` is a file in another folder.
void copy_model(const std::filesystem::path& from, const std::filesystem::path& to);

// A new folder `to` with the companions of the model folder `from` and the models that `fill` writes into it.
// Nothing is left at `to` when something throws. Throws core::Error(kUsage) when `to` holds something or lies
// in `from`.
void make_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                 const std::set<std::string>& without,
                 const std::function<void(const std::filesystem::path& folder)>& fill);

// make_folder with every model of `from` at its place, as `convert` writes it.
using ConvertFile = std::function<void(const loader::OnnxFile& model, const std::filesystem::path& out)>;
void convert_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                    const ConvertFile& convert);

}  // namespace vulcap::conversion
