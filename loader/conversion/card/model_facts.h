// What a model folder holds, as its card tells it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vulcap::card {

struct GraphFacts {
  std::string file;                            // relative to the folder, with "/"
  std::string dtype;                           // of its name: fp32, fp16, q4, ...
  uint64_t bytes = 0;                          // on the disk, with the files beside it that hold its weights
  std::map<std::string, uint64_t> weights;     // bytes of its tensors by type, "f32"
  std::map<std::string, int64_t> opsets;       // of the operators that it uses; "ai.onnx", "com.microsoft"
  std::vector<std::filesystem::path> sources;  // the .onnx file and those
  std::string producer;                        // "pytorch 2.13.0"; empty: not said
};

struct ModelFacts {
  std::string model_type;          // of config.json; empty: not said
  std::string task;                // the hub's name for what it is for, "image-to-text"; empty: not known
  std::string base_model;          // "org/name" that config.json names; empty: none
  std::vector<GraphFacts> graphs;  // by file name
  std::vector<std::string> other_files;                    // of the root: settings, tokenizer, ...
  std::vector<std::pair<std::string, std::string>> about;  // expected/about.json, its single values
};

// Throws core::Error(kInvalidModel) for what is no folder, has no .onnx file, or has one that cannot be read.
ModelFacts read_facts(const std::filesystem::path& folder);

}  // namespace vulcap::card
