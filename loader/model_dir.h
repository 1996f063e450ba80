// What is in a model folder: its .onnx files by variant and which graph plays which role.
// Roles are found by the inputs and outputs that the graphs declare; file names only break ties.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/onnx/model.h"

namespace vulcap::loader {

struct OnnxFile {
  std::filesystem::path path;
  std::string stem;   // without the variant's suffix: "decoder_model_merged"
  std::string dtype;  // variant: fp32 (no suffix), fp16, q8 ("_quantized"), int8, uint8, q4, q4f16, bnb4
  std::string remark = {};  // a line for the user when other files would have done as well
};

// Stem and variant, by the name.
OnnxFile describe_onnx_file(const std::filesystem::path& path);

// Where the part of `model` lies that runs once an image, if it is in two parts (passes::join_prelude):
// decoder_model_merged_prelude_fp16.onnx beside decoder_model_merged_fp16.onnx.
std::filesystem::path prelude_path(const std::filesystem::path& model);
bool is_prelude(const OnnxFile& file);

// The *.onnx of `dir` and of `dir`/onnx, sorted by path. Throws core::Error(kInvalidModel) when `dir` is no
// folder.
std::vector<OnnxFile> list_onnx_files(const std::filesystem::path& dir);

// The variants that `dtype` stands for, best first: "auto" is all of them with fp32 in front; "quantized" is
// q8; "fp16" is fp16, else fp32, which is then converted. Throws core::Error(kUsage) for an unknown name.
std::vector<std::string> dtype_choices(std::string_view dtype);

// --dtype: one variant for all files, or "encoder_model=fp16,decoder_model_merged=q4" by stem; files that are
// not named there are "auto".
class DtypeRequest {
 public:
  // Throws core::Error(kUsage) for an unknown variant or an empty stem.
  explicit DtypeRequest(std::string_view text);

  const std::string& of(const std::string& stem) const;
  // Whether a file that of(stem) led to is to run in half precision though it is stored in fp32.
  bool converts_to_half(const OnnxFile& file) const;
  // 0 is the best variant for the stem; none: the file is not wanted.
  std::optional<size_t> rank(const OnnxFile& file) const;
  // "of dtype q4" where one was asked for, else "".
  std::string suffix_for_errors() const;
  // The stems that were named.
  std::vector<std::string> stems() const;

 private:
  std::string all_ = "auto";
  std::map<std::string, std::string> by_stem_;
};

// What a graph must declare to play a part in a model.
struct Role {
  std::string name;                      // for errors: "image encoder (pixel_values -> hidden states)"
  std::vector<std::string> usual_stems;  // preferred when several graphs would do
  // Why the graph does not play this role, "lacks the input pixel_values"; empty when it does.
  std::function<std::string(const onnx::GraphSignature& graph)> refusal;
};

// What decoders are asked for.
struct DecoderNeeds {
  enum class Input { kIds, kEmbeds, kEither };
  bool cross_attention = false;  // encoder_hidden_states or its cached keys and values
  Input input = Input::kIds;
};

// At least one of merged and decoder, or, where there is no encoder cache, with_past alone.
struct DecoderFiles {
  std::optional<OnnxFile> merged;     // has use_cache_branch
  std::optional<OnnxFile> decoder;    // no past: the first step, or every step
  std::optional<OnnxFile> with_past;  // past_key_values.*: the later steps, or all of them
};

// The graphs of one folder, read as they are asked for.
class ModelFiles {
 public:
  // Throws core::Error: kInvalidModel for a folder without .onnx files, kUsage for an unknown dtype or one
  // for a file that is not there. `file`: name of one that is taken before all others for its role, whatever
  // its dtype; may be empty.
  ModelFiles(std::filesystem::path dir, std::string_view dtype, std::string_view file = {});

  const std::filesystem::path& dir() const { return dir_; }
  const DtypeRequest& dtype() const { return dtype_; }
  // The graph of the best wanted variant that plays the role. Of several of one variant without a usual stem
  // the first is taken, with a remark, if all declare the same inputs and outputs (exports of one model to
  // several opsets); else throws core::Error(kInvalidModel).
  std::optional<OnnxFile> find(const Role& role) const;
  // Throws core::Error(kInvalidModel) that says why each candidate was turned down.
  OnnxFile require(const Role& role) const;
  // All of one variant. Throws as require().
  DecoderFiles require_decoders(const DecoderNeeds& needs) const;
  std::optional<DecoderFiles> find_decoders(const DecoderNeeds& needs) const;
  // Null for a file that cannot be read.
  const onnx::GraphSignature* signature(const OnnxFile& file) const;

 private:
  struct Candidate {
    OnnxFile file;
    size_t rank = 0;
    mutable bool read = false;
    mutable std::optional<onnx::GraphSignature> signature;
    mutable std::string error;  // why it cannot be read
  };

  const onnx::GraphSignature* read(const Candidate& candidate) const;
  std::string refusal(const Candidate& candidate, const Role& role) const;
  std::optional<OnnxFile> find_ranked(const Role& role, size_t rank) const;
  [[noreturn]] void fail_without(const std::string& name, const std::vector<Role>& tried) const;

  std::filesystem::path dir_;
  DtypeRequest dtype_;
  std::vector<OnnxFile> files_;        // all of the folder
  std::vector<Candidate> candidates_;  // those of a wanted variant
  size_t ranks_ = 0;
};

bool has_value(const std::vector<onnx::ValueInfo>& values, std::string_view name);

// pixel_values without text -> last_hidden_state, image_features or another f[batch, length, width].
Role image_encoder_role();

// pixel_values and input_ids -> logits: image encoder and decoder in one graph.
Role image_text_role();

// input_features (speech) -> hidden states f[batch, length, width].
Role speech_encoder_role();

}  // namespace vulcap::loader
