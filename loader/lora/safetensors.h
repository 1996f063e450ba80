// safetensors files: {u64 length, JSON header, data}, little endian.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "runtime/core/tensor.h"

namespace vulcap::lora {

// Name -> tensor of a .safetensors file. Tensors point into the mapped file where their address suits the
// type. Dtypes F64 F32 F16 BF16, I64 I32 I16 I8, U64 U32 U16 U8, BOOL, F8_E4M3 F8_E5M2.
// Throws core::Error(kInvalidModel) beginning with the path: no such file, a header that is too long or not
// the JSON that the format prescribes, a dtype that is not listed, data whose ranges overlap, leave gaps, lie
// outside the file or disagree with dtype and shape.
std::map<std::string, core::Tensor> read_safetensors(const std::filesystem::path& path);

}  // namespace vulcap::lora
