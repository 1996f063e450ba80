#include "loader/model_dir.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

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

void append_onnx_files(const fs::path& dir, std::vector<OnnxFile>& files) {
  std::error_code error;
  fs::directory_iterator at(dir, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    if (at->path().extension() != ".onnx") continue;
    std::error_code ignored;
    if (!at->is_directory(ignored)) files.push_back(describe_onnx_file(at->path()));
  }
  if (error) fail(dir.string() + ": cannot be listed (" + error.message() + ")");
}

constexpr std::string_view kPreludeSuffix = "_prelude";

}  // namespace

OnnxFile describe_onnx_file(const fs::path& path) {
  const std::string stem = path.stem().string();
  for (const Variant& variant : kVariants) {
    if (variant.suffix.empty() || !stem.ends_with(variant.suffix)) continue;
    return {path, stem.substr(0, stem.size() - variant.suffix.size()), std::string(variant.dtype)};
  }
  return {path, stem, "fp32"};
}

fs::path prelude_path(const fs::path& model) {
  const std::string stem = describe_onnx_file(model).stem;
  const std::string suffix = model.stem().string().substr(stem.size());
  return model.parent_path() / (stem + std::string(kPreludeSuffix) + suffix + ".onnx");
}

bool is_prelude(const OnnxFile& file) { return file.stem.ends_with(kPreludeSuffix); }

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

DtypeRequest::DtypeRequest(std::string_view text) {
  if (text.find('=') == std::string_view::npos) {
    all_ = text;
    dtype_choices(all_);
    return;
  }
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw core::Error(core::ErrorCode::kUsage,
                        "--dtype takes one variant, or FILE=VARIANT,... with file names without suffix; '" +
                            std::string(item) + "' is neither");
    }
    dtype_choices(item.substr(equals + 1));
    by_stem_[std::string(item.substr(0, equals))] = item.substr(equals + 1);
  }
}

const std::string& DtypeRequest::of(const std::string& stem) const {
  const auto found = by_stem_.find(stem);
  return found == by_stem_.end() ? all_ : found->second;
}

bool DtypeRequest::converts_to_half(const OnnxFile& file) const {
  return of(file.stem) == "fp16" && file.dtype == "fp32";
}

std::optional<size_t> DtypeRequest::rank(const OnnxFile& file) const {
  const auto choices = dtype_choices(of(file.stem));
  const auto at = std::find(choices.begin(), choices.end(), file.dtype);
  return at == choices.end() ? std::nullopt : std::optional(size_t(at - choices.begin()));
}

std::string DtypeRequest::suffix_for_errors() const {
  const auto choices = dtype_choices(all_);
  return choices.size() == 1 ? " of dtype " + choices.front() : "";
}

std::vector<std::string> DtypeRequest::stems() const {
  std::vector<std::string> stems;
  for (const auto& [stem, dtype] : by_stem_) stems.push_back(stem);
  return stems;
}

using Values = std::vector<onnx::ValueInfo>;

bool has_value(const Values& values, std::string_view name) {
  return std::any_of(values.begin(), values.end(), [&](const auto& value) { return value.name == name; });
}

namespace {

bool has_part(const Values& values, std::string_view start, std::string_view part) {
  return std::any_of(values.begin(), values.end(), [&](const auto& value) {
    return value.name.starts_with(start) && value.name.find(part) != std::string::npos;
  });
}

bool has_hidden_states(const Values& outputs) {
  return std::any_of(outputs.begin(), outputs.end(), [](const onnx::ValueInfo& output) {
    if (!core::dtype_is_float(output.dtype)) return false;
    if (output.name == "last_hidden_state" || output.name == "image_features") return true;
    return output.has_shape && output.shape.size() == 3;
  });
}

bool alike(const Values& a, const Values& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.name == y.name && x.dtype == y.dtype && x.shape.size() == y.shape.size();
  });
}

bool alike(const onnx::GraphSignature& a, const onnx::GraphSignature& b) {
  return alike(a.inputs, b.inputs) && alike(a.outputs, b.outputs);
}

enum class DecoderKind { kMerged, kFirst, kWithPast };

std::string token_refusal(const onnx::GraphSignature& graph, DecoderNeeds::Input input) {
  const bool ids = has_value(graph.inputs, "input_ids");
  const bool embeds = has_value(graph.inputs, "inputs_embeds");
  if (input == DecoderNeeds::Input::kIds && !ids) return "lacks the input input_ids";
  if (input == DecoderNeeds::Input::kEmbeds && !embeds) return "lacks the input inputs_embeds";
  return ids || embeds ? "" : "lacks the input input_ids or inputs_embeds";
}

std::string decoder_refusal(const onnx::GraphSignature& graph, const DecoderNeeds& needs, DecoderKind kind) {
  // A decoder with past may hold the encoder's keys and values instead of its hidden states.
  const bool has_past = has_part(graph.inputs, "past", "");
  const bool has_encoder = has_value(graph.inputs, "encoder_hidden_states") ||
                           (has_past && has_part(graph.inputs, "past", ".encoder."));
  if (std::string reason = token_refusal(graph, needs.input); !reason.empty()) return reason;
  if (needs.cross_attention && !has_encoder) return "lacks the input encoder_hidden_states";
  if (!needs.cross_attention && has_encoder) return "reads an encoder's output";
  if (has_value(graph.inputs, "pixel_values")) return "takes the input pixel_values";
  if (!has_value(graph.outputs, "logits")) return "lacks the output logits";
  const bool merged = has_value(graph.inputs, "use_cache_branch");
  if (kind == DecoderKind::kMerged) return merged ? "" : "lacks the input use_cache_branch";
  if (merged) return "has both branches";
  if (kind == DecoderKind::kFirst) return has_past ? "continues a past" : "";
  return has_past ? "" : "takes no past";
}

std::string decoder_name(const DecoderNeeds& needs) {
  const std::string tokens = needs.input == DecoderNeeds::Input::kEmbeds ? "inputs_embeds" : "input_ids";
  return "text decoder (" + tokens + (needs.cross_attention ? ", encoder_hidden_states" : "") + " -> logits)";
}

Role decoder_role(const DecoderNeeds& needs, DecoderKind kind) {
  std::vector<std::string> stems;
  if (kind == DecoderKind::kMerged) stems = {"decoder_model_merged"};
  if (kind == DecoderKind::kFirst) stems = {"decoder_model", "model", "text_decoder_model"};
  if (kind == DecoderKind::kWithPast) stems = {"decoder_with_past_model", "decoder_model_merged", "model"};
  return {decoder_name(needs), stems,
          [needs, kind](const onnx::GraphSignature& graph) { return decoder_refusal(graph, needs, kind); }};
}

}  // namespace

Role image_encoder_role() {
  return {"image encoder (pixel_values -> hidden states)",
          {"encoder_model", "vision_encoder", "vision_model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (!has_value(graph.inputs, "pixel_values")) return "lacks the input pixel_values";
            if (has_value(graph.inputs, "input_ids")) return "takes the input input_ids";
            return has_hidden_states(graph.outputs) ? "" : "lacks an output of hidden states (float, rank 3)";
          }};
}

Role image_text_role() {
  return {"image and text decoder (pixel_values, input_ids -> logits)",
          {"model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            for (const char* input : {"pixel_values", "input_ids"}) {
              if (!has_value(graph.inputs, input)) return std::string("lacks the input ") + input;
            }
            return has_value(graph.outputs, "logits") ? "" : "lacks the output logits";
          }};
}

Role speech_encoder_role() {
  return {"speech encoder (input_features -> hidden states)",
          {"encoder_model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (!has_value(graph.inputs, "input_features")) return "lacks the input input_features";
            if (has_value(graph.inputs, "input_ids")) return "takes the input input_ids";
            return has_hidden_states(graph.outputs) ? "" : "lacks an output of hidden states (float, rank 3)";
          }};
}

ModelFiles::ModelFiles(fs::path dir, std::string_view dtype, std::string_view file)
    : dir_(std::move(dir)), dtype_(dtype), files_(list_onnx_files(dir_)) {
  if (files_.empty()) fail(dir_.string() + ": no .onnx file in it nor in its onnx folder");
  bool named = file.empty();
  for (const OnnxFile& found : files_) {
    if (is_prelude(found)) continue;  // loaded with the graph that it belongs to
    const bool first = !file.empty() && found.path.filename() == file;
    const auto rank = dtype_.rank(found);
    named = named || first;
    if (!first && !rank) continue;
    candidates_.push_back({found, first ? 0 : *rank + 1, false, {}, {}});
    ranks_ = std::max(ranks_, candidates_.back().rank + 1);
  }
  if (!named) throw core::Error(core::ErrorCode::kUsage, dir_.string() + " has no file " + std::string(file));
  for (const std::string& stem : dtype_.stems()) {
    const auto has_stem = [&](const OnnxFile& found) { return found.stem == stem; };
    if (std::any_of(files_.begin(), files_.end(), has_stem)) continue;
    throw core::Error(core::ErrorCode::kUsage,
                      "--dtype names '" + stem + "', but " + dir_.string() + " has no such .onnx file");
  }
}

const onnx::GraphSignature* ModelFiles::read(const Candidate& candidate) const {
  if (!candidate.read) {
    candidate.read = true;
    try {
      candidate.signature = onnx::read_signature(candidate.file.path);
    } catch (const core::Error& error) {
      const std::string start = candidate.file.path.string() + ": ";
      const std::string& text = error.message();
      candidate.error = text.starts_with(start) ? text.substr(start.size()) : text;
    }
  }
  return candidate.signature ? &*candidate.signature : nullptr;
}

const onnx::GraphSignature* ModelFiles::signature(const OnnxFile& file) const {
  for (const Candidate& candidate : candidates_) {
    if (candidate.file.path == file.path) return read(candidate);
  }
  return nullptr;
}

std::string ModelFiles::refusal(const Candidate& candidate, const Role& role) const {
  const onnx::GraphSignature* graph = read(candidate);
  return graph == nullptr ? candidate.error : role.refusal(*graph);
}

std::optional<OnnxFile> ModelFiles::find_ranked(const Role& role, size_t rank) const {
  std::vector<const OnnxFile*> found;
  for (const Candidate& candidate : candidates_) {
    if (candidate.rank == rank && refusal(candidate, role).empty()) found.push_back(&candidate.file);
  }
  for (const std::string& stem : role.usual_stems) {
    std::vector<const OnnxFile*> usual;
    std::copy_if(found.begin(), found.end(), std::back_inserter(usual),
                 [&](const OnnxFile* file) { return file->stem == stem; });
    if (usual.empty()) continue;
    found = usual;
    break;
  }
  if (found.empty()) return std::nullopt;
  OnnxFile chosen = *found[0];
  if (found.size() == 1) return chosen;
  const std::string first = chosen.path.lexically_relative(dir_).string();
  const std::string second = found[1]->path.lexically_relative(dir_).string();
  const auto is_alike = [&](const OnnxFile* file) { return alike(*signature(chosen), *signature(*file)); };
  if (!std::all_of(found.begin(), found.end(), is_alike))
    fail(dir_.string() + ": " + first + " and " + second +
         " play the same role; leave one of them in the folder");
  chosen.remark = dir_.string() + ": " + first + " is used as the " + role.name + "; " + second +
                  (found.size() > 2 ? " and others" : "") + " would do as well";
  return chosen;
}

std::optional<OnnxFile> ModelFiles::find(const Role& role) const {
  for (size_t rank = 0; rank < ranks_; ++rank) {
    if (auto file = find_ranked(role, rank)) return file;
  }
  return std::nullopt;
}

OnnxFile ModelFiles::require(const Role& role) const {
  auto file = find(role);
  if (!file) fail_without(role.name, {role});
  return *file;
}

std::optional<DecoderFiles> ModelFiles::find_decoders(const DecoderNeeds& needs) const {
  for (size_t rank = 0; rank < ranks_; ++rank) {
    DecoderFiles files;
    files.merged = find_ranked(decoder_role(needs, DecoderKind::kMerged), rank);
    files.decoder = find_ranked(decoder_role(needs, DecoderKind::kFirst), rank);
    files.with_past = find_ranked(decoder_role(needs, DecoderKind::kWithPast), rank);
    if (files.merged || files.decoder || (files.with_past && !needs.cross_attention)) return files;
  }
  return std::nullopt;
}

DecoderFiles ModelFiles::require_decoders(const DecoderNeeds& needs) const {
  if (auto files = find_decoders(needs)) return *files;
  const Role later = decoder_role(needs, DecoderKind::kWithPast);
  if (needs.cross_attention && find(later)) {
    fail_without("decoder for the first step beside the one with past (decoder_model.onnx)", {});
  }
  fail_without(decoder_name(needs), {decoder_role(needs, DecoderKind::kFirst)});
}

void ModelFiles::fail_without(const std::string& name, const std::vector<Role>& tried) const {
  std::string found;
  for (const Candidate& candidate : candidates_) {
    for (const Role& role : tried) {
      found += (found.empty() ? "; " : ", ") + candidate.file.path.lexically_relative(dir_).string() + " " +
               refusal(candidate, role);
    }
  }
  if (found.empty()) {
    for (const OnnxFile& file : files_) {
      found +=
          (found.empty() ? "; the .onnx files are " : ", ") + file.path.lexically_relative(dir_).string();
    }
  }
  fail(dir_.string() + ": no " + name + dtype_.suffix_for_errors() + found);
}

}  // namespace vulcap::loader
