#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace vulcap::onnx {

// The files in which a model keeps tensors outside of itself, as it names them: relative to its folder,
// unchecked. Looks into no other file. Throws core::Error(kInvalidModel) for what is no protobuf message.
std::set<std::string> external_locations(const std::filesystem::path& path);

}  // namespace vulcap::onnx
