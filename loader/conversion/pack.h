// Where a model keeps its weights: in the one .onnx file, or in data files beside it. The numbers stay as
// they are, byte by byte.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "loader/conversion/merge_initializers.h"

namespace vulcap::conversion {

struct PackOptions {
  bool external = false;  // weights go to data files; else into the .onnx file, which must stay below 2 GiB
  bool merge_equal =
      false;  // see merge_equal_initializers; equal contents in data files are stored once anyway
  size_t large_tensor = 1024;     // bytes; smaller ones stay in the .onnx file
  size_t shard_bytes = SIZE_MAX;  // of one data file, unless a single tensor is larger
  size_t alignment = 4096;        // of tensors in data files, so that they can be mapped
};

struct Packed {
  std::filesystem::path out;
  size_t tensors = 0;  // that were read: initialisers and constants
  size_t tensor_bytes = 0;
  size_t equal_bytes = 0;  // of tensors whose content another one has too
  MergedInitializers merged;
  size_t file_bytes = 0;  // written, all files together
  size_t data_files = 0;
};

// Writes the model file `model` to `out` and, as onnx-community names them, `out`_data, `out`_data_1, ...
// beside it. Both are mapped and written in pieces: memory holds no weights. Throws core::Error:
// kInvalidModel for a model that cannot be read, kUsage when `out` is a file of the model or would exceed 2
// GiB, kRuntime when it cannot be written; nothing is left then.
Packed pack(const std::filesystem::path& model, const std::filesystem::path& out, const PackOptions& options);

// The same for each model of a folder; everything else in it is copied to `out`, which must be new.
// Packed::out is relative to `out`.
std::vector<Packed> pack_folder(const std::filesystem::path& folder, const std::filesystem::path& out,
                                const PackOptions& options);

}  // namespace vulcap::conversion
