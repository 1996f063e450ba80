// NumPy .npy files, versions 1 to 3 (numpy.lib.format): little-endian, C order.
#pragma once

#include <filesystem>

#include "runtime/core/tensor.h"

namespace vulcap::loader {

// Dtypes f2 f4 f8, i1 i2 i4 i8, u1 u2 u4 u8, b1. Points into the mapped file where the alignment allows.
// Throws core::Error(kInvalidModel) beginning with the path: no .npy file, other dtype, byte or axis order,
// wrong length.
core::Tensor read_npy(const std::filesystem::path& path);

// Writes version 1. Throws core::Error(kRuntime) when the file cannot be written, kInvalidModel for a dtype
// that NumPy lacks (bf16, 4-bit, string).
void write_npy(const std::filesystem::path& path, const core::Tensor& tensor);

}  // namespace vulcap::loader
