#include "loader/model_dir.h"

#include <algorithm>
#include <array>
#include <functional>
#include <system_error>
#include <utility>

#include "loader/onnx/model.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;

struct Variant {
  std::string_view dtype, suffix;
};
// Best first. Names follow transformers.js.
constexpr std::array kVariants = {
    Variant{"fp32", ""},        Variant{"fp16", "_fp16"},   Variant{"q8", "_quantized"},
    Variant{"int8", "_int8"},   Variant{"uint8", "_uint8"}, Variant{"q4", "_q4"},
    Variant{"q4f16", "_q4f16"}, Variant{"bnb4", "_bnb4"},
};

[[noreturn]] void fail(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

OnnxFile describe(const fs::path& path) {
  const std::string stem = path.stem().string();
  for (const Variant& variant : kVariants) {
    if (variant.suffix.empty() || !stem.ends_with(variant.suffix)) continue;
    return {path, stem.substr(0, stem.size() - variant.suffix.size()), std::string(variant.dtype)};
  }
  return {path, stem, "fp32"};
}

void append_onnx_files(const fs::path& dir, std::vector<OnnxFile>& files) {
  std::error_code error;
  fs::directory_iterator at(dir, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    if (at->path().extension() != ".onnx") continue;
    std::error_code ignored;
    if (!at->is_directory(ignored)) files.push_back(describe(at->path()));
  }
  if (error) fail(dir.string() + ": cannot be listed (" + error.message() + ")");
}

}  // namespace

std::vector<OnnxFile> list_onnx_files(const fs::path& dir) {
  std::error_code error;
  const fs::file_status status = fs::status(dir, error);
  if (!fs::exists(status)) fail(dir.string() + ": model folder not found");
  if (!fs::is_directory(status)) fail(dir.string() + ": is a file; give the model's folder");
  std::vector<OnnxFile> files;
  append_onnx_files(dir, files);
  if (fs::is_directory(dir / "onnx", error)) append_onnx_files(dir / "onnx", files);
  std::sort(files.begin(), files.end(), [](const OnnxFile& a, const OnnxFile& b) { return a.path < b.path; });
  return files;
}

std::vector<std::string> dtype_choices(std::string_view dtype) {
  if (dtype == "quantized") dtype = "q8";
  std::vector<std::string> choices;
  for (const Variant& variant : kVariants) {
    if (dtype == "auto" || dtype == variant.dtype) choices.emplace_back(variant.dtype);
  }
  if (dtype == "fp16") choices.emplace_back("fp32");
  if (choices.empty()) {
    throw core::Error(core::ErrorCode::kUsage,
                      "unknown dtype \"" + std::string(dtype) +
                          "\"; use auto, fp32, fp16, q8, int8, uint8, q4, q4f16 or bnb4");
  }
  return choices;
}

bool converts_to_half(std::string_view dtype, const OnnxFile& file) {
  return dtype == "fp16" && file.dtype == "fp32";
}

namespace {

enum class Role { kNone, kEncoder, kMergedDecoder, kDecoder, kDecoderWithPast };

std::string_view usual_stem(Role role) {
  switch (role) {
    case Role::kEncoder:
      return "encoder_model";
    case Role::kMergedDecoder:
      return "decoder_model_merged";
    case Role::kDecoder:
      return "decoder_model";
    case Role::kDecoderWithPast:
      return "decoder_with_past_model";
    default:
      return "";
  }
}

struct Candidate {
  OnnxFile file;
  Role role = Role::kNone;
  std::string refusal;  // why it has no role
};

using Values = std::vector<onnx::ValueInfo>;

bool has(const Values& values, std::string_view name) {
  return std::any_of(values.begin(), values.end(), [&](const auto& value) { return value.name == name; });
}

bool has_part(const Values& values, std::string_view start, std::string_view part) {
  return std::any_of(values.begin(), values.end(), [&](const auto& value) {
    return value.name.starts_with(start) && value.name.find(part) != std::string::npos;
  });
}

bool has_hidden_states(const Values& outputs) {
  return std::any_of(outputs.begin(), outputs.end(), [](const onnx::ValueInfo& output) {
    if (!core::dtype_is_float(output.dtype)) return false;
    return output.has_shape ? output.shape.size() == 3 : output.name == "last_hidden_state";
  });
}

void classify_decoder(const onnx::GraphSignature& graph, Candidate& candidate) {
  // A decoder with past may hold the encoder's keys and values instead of its hidden states.
  const bool has_past = has_part(graph.inputs, "past_key_values.", "");
  const bool has_encoder = has(graph.inputs, "encoder_hidden_states") ||
                           (has_past && has_part(graph.inputs, "past_key_values.", ".encoder."));
  if (!has(graph.inputs, "input_ids")) {
    candidate.refusal = "lacks the input input_ids";
  } else if (!has_encoder) {
    candidate.refusal = "lacks the input encoder_hidden_states";
  } else if (!has(graph.outputs, "logits")) {
    candidate.refusal = "lacks the output logits";
  } else if (has(graph.inputs, "use_cache_branch")) {
    candidate.role = Role::kMergedDecoder;
  } else {
    candidate.role = has_past ? Role::kDecoderWithPast : Role::kDecoder;
  }
}

Candidate classify(const OnnxFile& file) {
  const onnx::GraphSignature graph = onnx::read_signature(file.path);
  Candidate candidate{file, Role::kNone, ""};
  const bool takes_pixels = has(graph.inputs, "pixel_values") && !has(graph.inputs, "input_ids");
  if (takes_pixels && has_hidden_states(graph.outputs)) {
    candidate.role = Role::kEncoder;
  } else if (takes_pixels) {
    candidate.refusal = "lacks an output of hidden states (float, rank 3)";
  } else {
    classify_decoder(graph, candidate);
    if (candidate.role == Role::kNone && file.stem.starts_with("encoder")) {
      candidate.refusal = "lacks the input pixel_values";
    }
  }
  return candidate;
}

// The graphs of one folder, classified one dtype at a time as they are asked for.
class Roles {
 public:
  Roles(fs::path dir, std::string_view dtype)
      : dir_(std::move(dir)), dtypes_(dtype_choices(dtype)), files_(list_onnx_files(dir_)) {
    if (files_.empty()) fail(dir_.string() + ": no .onnx file in it nor in its onnx folder");
    for (const std::string& choice : dtypes_) candidates_.push_back(classify_all(choice));
  }

  // For each wanted dtype, best first, until `body` returns true.
  bool any(const std::function<bool(const std::vector<Candidate>&)>& body) const {
    return std::any_of(candidates_.begin(), candidates_.end(), body);
  }

  std::optional<OnnxFile> find(const std::vector<Candidate>& candidates, Role role) const;
  [[noreturn]] void fail_without(const std::string& role) const;

 private:
  std::vector<Candidate> classify_all(const std::string& dtype);

  fs::path dir_;
  std::vector<std::string> dtypes_;
  std::vector<OnnxFile> files_;
  std::vector<std::vector<Candidate>> candidates_;  // by dtypes_
};

std::vector<Candidate> Roles::classify_all(const std::string& dtype) {
  std::vector<Candidate> candidates;
  for (const OnnxFile& file : files_) {
    if (file.dtype != dtype) continue;
    try {
      candidates.push_back(classify(file));
    } catch (const core::Error& error) {
      const std::string start = file.path.string() + ": ";
      const std::string& text = error.message();
      candidates.push_back({file, Role::kNone, text.starts_with(start) ? text.substr(start.size()) : text});
    }
  }
  return candidates;
}

std::optional<OnnxFile> Roles::find(const std::vector<Candidate>& candidates, Role role) const {
  std::vector<const OnnxFile*> found, usual;
  for (const Candidate& candidate : candidates) {
    if (candidate.role != role) continue;
    found.push_back(&candidate.file);
    if (candidate.file.stem == usual_stem(role)) usual.push_back(&candidate.file);
  }
  if (usual.size() == 1) found = usual;
  if (found.size() > 1) {
    fail(dir_.string() + ": " + found[0]->path.lexically_relative(dir_).string() + " and " +
         found[1]->path.lexically_relative(dir_).string() +
         " play the same role; leave one of them in the folder");
  }
  return found.empty() ? std::nullopt : std::optional(*found[0]);
}

void Roles::fail_without(const std::string& role) const {
  std::string message = dir_.string() + ": no " + role;
  if (dtypes_.size() == 1) message += " of dtype " + dtypes_.front();
  std::string found;
  for (const auto& candidates : candidates_) {
    for (const Candidate& candidate : candidates) {
      if (candidate.refusal.empty()) continue;
      found += (found.empty() ? "; " : ", ") + candidate.file.path.lexically_relative(dir_).string() + " " +
               candidate.refusal;
    }
  }
  if (found.empty()) {
    for (const OnnxFile& file : files_) {
      found +=
          (found.empty() ? "; the .onnx files are " : ", ") + file.path.lexically_relative(dir_).string();
    }
  }
  fail(message + found);
}

}  // namespace

Seq2SeqFiles find_vision_encoder_decoder(const fs::path& dir, std::string_view dtype) {
  const Roles roles(dir, dtype);
  Seq2SeqFiles files;
  const bool has_encoder = roles.any([&](const auto& candidates) {
    const auto encoder = roles.find(candidates, Role::kEncoder);
    if (encoder) files.encoder = *encoder;
    return encoder.has_value();
  });
  if (!has_encoder) roles.fail_without("image encoder (pixel_values -> hidden states)");
  bool has_later_steps = false;
  const bool has_decoder = roles.any([&](const auto& candidates) {
    files.decoder_merged = roles.find(candidates, Role::kMergedDecoder);
    files.decoder = roles.find(candidates, Role::kDecoder);
    files.decoder_with_past = roles.find(candidates, Role::kDecoderWithPast);
    has_later_steps |= files.decoder_with_past.has_value();
    return files.decoder_merged || files.decoder;
  });
  if (!has_decoder) {
    roles.fail_without(has_later_steps
                           ? "decoder for the first step beside the one with past (decoder_model.onnx)"
                           : "text decoder (input_ids, encoder_hidden_states -> logits)");
  }
  return files;
}

}  // namespace vulcap::loader
