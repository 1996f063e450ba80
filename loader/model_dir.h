// What is in a model folder: its .onnx files by variant and which graph plays which role.
// Roles are found by the inputs and outputs that the graphs declare; file names only break ties.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::loader {

struct OnnxFile {
  std::filesystem::path path;
  std::string stem;   // without the variant's suffix: "decoder_model_merged"
  std::string dtype;  // variant: fp32 (no suffix), fp16, q8 ("_quantized"), int8, uint8, q4, q4f16, bnb4
};

// The *.onnx of `dir` and of `dir`/onnx, sorted by path. Throws core::Error(kInvalidModel) when `dir` is no
// folder.
std::vector<OnnxFile> list_onnx_files(const std::filesystem::path& dir);

// The variants that `dtype` stands for, best first: "auto" is all of them with fp32 in front; "quantized" is
// q8; "fp16" is fp16, else fp32, which is then converted. Throws core::Error(kUsage) for an unknown name.
std::vector<std::string> dtype_choices(std::string_view dtype);
// Whether a file that dtype_choices(dtype) led to is to run in half precision though it is stored in fp32.
bool converts_to_half(std::string_view dtype, const OnnxFile& file);

// An encoder and at least one of decoder_merged and decoder.
struct Seq2SeqFiles {
  OnnxFile encoder;                           // pixel_values -> hidden states f[batch, length, width]
  std::optional<OnnxFile> decoder_merged;     // has use_cache_branch
  std::optional<OnnxFile> decoder;            // no past: the first step, or every step
  std::optional<OnnxFile> decoder_with_past;  // past_key_values.*: the later steps
};

// `dtype`: see dtype_choices. Encoder and decoders are chosen each for itself, so they may differ in dtype
// under "auto"; the decoders are of one dtype. Throws core::Error(kInvalidModel) that says which role has no
// graph and why each candidate was turned down.
Seq2SeqFiles find_vision_encoder_decoder(const std::filesystem::path& dir, std::string_view dtype);

}  // namespace vulcap::loader
