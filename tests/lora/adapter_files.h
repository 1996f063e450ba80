// Adapters for tests, written byte by byte.
#pragma once

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/onnx/model_builder.h"

namespace vulcap::lora_test {

// {header length, header, data}.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

// F32 tensors of a name, a shape and one number for all elements.
struct Filled {
  std::string name;
  std::vector<int64_t> shape;
  float value = 1;
};

inline std::string safetensors_bytes(const std::vector<Filled>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const Filled& tensor : tensors) {
    size_t count = 1;
    for (const int64_t dim : tensor.shape) count *= size_t(dim);
    const size_t begin = data.size();
    for (size_t i = 0; i < count; ++i) data.append(reinterpret_cast<const char*>(&tensor.value), 4);
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors_bytes(header.dump(), data);
}

// A folder with both files; `config` is laid over r 2, lora_alpha 2, target_modules [fc].
inline std::filesystem::path write_adapter(const std::filesystem::path& folder, const nlohmann::json& config,
                                           const std::string& weights) {
  nlohmann::json full = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 2}, {"target_modules", {"fc"}}};
  if (config.is_object()) full.update(config);
  onnx_test::write_file(folder / "adapter_config.json", full.dump());
  onnx_test::write_file(folder / "adapter_model.safetensors", weights);
  return folder;
}

// lora_A [2, in] and lora_B [out, 2] of a module.
inline std::vector<Filled> factors(const std::string& module, int64_t out, int64_t in) {
  return {{"base_model.model." + module + ".lora_A.weight", {2, in}},
          {"base_model.model." + module + ".lora_B.weight", {out, 2}}};
}

}  // namespace vulcap::lora_test
