// Tensors of a graph's inputs and outputs as files: .npy, and .pb with a TensorProto.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/session/session.h"

namespace vulcap::loader {

// By extension. Throws core::Error(kInvalidModel) for what is neither or cannot be read.
core::Tensor read_tensor(const std::filesystem::path& path);

// The elements of a SequenceProto file of tensors.
std::vector<core::Tensor> read_sequence(const std::filesystem::path& path);

// What `path` holds for a graph input or output: one tensor under the value's name, or each element of a
// sequence under its own (see session::NamedTensors).
void read_value(const graph::Value& value, const std::filesystem::path& path, session::NamedTensors& tensors);

// Each of `sources` is NAME=FILE, or a folder with NAME.npy, NAME.pb or input_K.pb (the input
// that its tensor is named after, else that at position K). Later sources take precedence. Throws
// core::Error(kUsage) for a name that is no input.
session::NamedTensors read_inputs(const graph::Graph& graph, const std::vector<std::string>& sources);

// The name of a value as the name of a file: what file systems or shells take amiss becomes '_'.
std::string file_stem(const std::string& name);

// Writes NAME.npy or NAME.pb (`extension` "npy" or "pb") for each tensor into `folder`, which is made. Throws
// core::Error(kRuntime) when two names become one file or a file cannot be written.
void write_tensors(const std::filesystem::path& folder, const std::string& extension,
                   const session::NamedTensors& tensors);

}  // namespace vulcap::loader
