// The compute shaders as SPIR-V words, built from *.comp, with what reflection found in them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vulcap::shaders {

struct ShaderModule {
  std::string_view name;  // "matmul.S_f32.W_f16": file stem and the value of each variant axis
  std::span<const uint32_t> words;
  uint32_t bindings;                   // storage buffers: bindings 0 to this - 1 of set 0
  uint32_t push_bytes;                 // size of the parameter struct in abi.h
  std::span<const uint32_t> spec_ids;  // specialisation constants, ascending
  bool needs_16bit_storage;
  bool needs_8bit_storage;
  bool needs_int64;
  bool needs_subgroup_arithmetic;
  bool needs_float64;
};

// Every module, sorted by name.
std::span<const ShaderModule> modules();

}  // namespace vulcap::shaders
