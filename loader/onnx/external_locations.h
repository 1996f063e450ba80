#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace vulcap::onnx {

// The files in which a model keeps tensors outside of itself, as it names them: relative to its folder,
// unchecked. Looks into no other file. Throws core::Error(kInvalidModel) for what is no protobuf message.
std::set<std::string> external_locations(const std::filesystem::path& path);

// The file `path`, and those beside it that hold its external data. Throws as external_locations.
std::vector<std::filesystem::path> model_files(const std::filesystem::path& path);

// Bytes of all of them. Throws also std::filesystem::filesystem_error for a file that is not there.
uint64_t model_bytes(const std::filesystem::path& path);

}  // namespace vulcap::onnx
