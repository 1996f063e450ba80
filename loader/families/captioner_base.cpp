#include "loader/families/captioner_base.h"

#include <algorithm>
#include <chrono>

#include "loader/families/encoder_inputs.h"
#include "loader/families/model_folder.h"
#include "loader/generation/run_generation.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

image::PreprocessConfig read_preprocessing(const std::filesystem::path& dir, const std::string& processor) {
  const auto path = dir / "preprocessor_config.json";
  return image::parse_preprocess_config(read_json_object(path), path.string(), processor);
}

}  // namespace

CaptionerBase::CaptionerBase(std::filesystem::path dir, const nlohmann::json& config, session::Device& device,
                             const LoadOptions& options, const std::string& processor)
    : dir_(std::move(dir)),
      options_(options),
      device_(device),
      tokenizer_(tokenizer::Tokenizer::load(dir_)),
      preprocess_(read_preprocessing(dir_, processor)) {
  sources_ = generation_sources(dir_, config);
}

generate::GenerationConfig CaptionerBase::generation_config(const GenerationFlags& flags,
                                                            std::vector<std::string>& warnings) const {
  return with_flags(sources_, flags, warnings);
}

void CaptionerBase::read_positions(const nlohmann::json& text_config) {
  positions_ = first_integer(text_config, {"n_positions", "max_position_embeddings", "n_ctx"}).value_or(0);
  positions_are_table_ = !rotates_positions(text_config);
}

void CaptionerBase::load_encoder(const OnnxFile& file, const std::string& role) {
  encoder_ =
      std::make_unique<session::Session>(device_, load_graph(file, options_), passes_for(file, options_));
  description_.push_back(describe_file(role, file, options_));
  states_name_ = hidden_states_of(encoder_->graph());
}

void CaptionerBase::load_decoder(const DecoderFiles& files, int64_t first_position) {
  decoder_ = std::make_unique<TextDecoder>(device_, files, options_, first_position);
  description_.insert(description_.end(), decoder_->description().begin(), decoder_->description().end());
  if (const auto remark = vocabulary_remark(tokenizer_.vocab_size(), *decoder_)) remarks_.push_back(*remark);
}

void CaptionerBase::load_whole(const OnnxFile& file) {
  if (options_.encoder_only) {
    throw core::Error(core::ErrorCode::kUsage,
                      file.path.string() + " holds image encoder and decoder in one; they only run together");
  }
  load_decoder({.merged = {}, .decoder = file, .with_past = {}});
}

void CaptionerBase::load_graphs(const ModelFiles& files) {
  const auto whole = files.find(image_text_role());
  if (whole && !files.find(image_encoder_role())) return load_whole(*whole);
  load_encoder(files.require(image_encoder_role()), "encoder");
  if (!options_.encoder_only) load_decoder(files.require_decoders({.cross_attention = true}));
}

std::string hidden_states_of(const graph::Graph& encoder) {
  std::string found = encoder.value(encoder.outputs.at(0)).name;
  bool is_sequence = false;
  for (graph::ValueId out : encoder.outputs) {
    const graph::Value& value = encoder.value(out);
    if (value.name == "last_hidden_state" || value.name == "image_features") return value.name;
    if (is_sequence || !value.shape || value.shape->size() != 3) continue;
    found = value.name;
    is_sequence = true;
  }
  return found;
}

session::EncoderOutput CaptionerBase::write_pixels(const image::PixelValues& pixels) {
  const core::DType dtype = decoder_->input_dtype(decoder_->roles().states);
  const core::Shape shape{pixels.frames, pixels.channels, pixels.height, pixels.width};
  const core::Tensor tensor = float_tensor(pixels.data, dtype, shape);
  if (!pixel_buffer_ || pixel_bytes_ != tensor.bytes().size()) {
    pixel_bytes_ = tensor.bytes().size();
    pixel_buffer_ = device_.backend().allocate(pixel_bytes_, "pixel_values");
  }
  pixel_buffer_->write(0, tensor.bytes());
  return {pixel_buffer_, dtype, shape};
}

session::EncoderOutput CaptionerBase::prepare_encoder(const image::PixelValues& pixels) {
  if (!encoder_) return write_pixels(pixels);
  encoder_program_ = &encoder_->prepare(encoder_inputs(encoder_->graph(), pixels, preprocess_));
  return output_of(*encoder_program_, states_name_);
}

void CaptionerBase::prepare(const generate::GenerationConfig& config) {
  const auto [height, width] = input_size();
  const image::PixelValues blank{std::vector<float>(size_t(3) * size_t(height) * size_t(width)), 3, height,
                                 width};
  const session::EncoderOutput states = prepare_encoder(blank);
  if (!decoder_) return;
  decoder_->reserve(reserve_positions(config, 1) + usual_positions());
  decoder_->prepare(states, int(config.num_beams));
}

session::EncoderOutput CaptionerBase::run_encoder(const image::PixelValues& pixels) {
  session::EncoderOutput states = prepare_encoder(pixels);
  if (encoder_program_ != nullptr) encoder_program_->run();
  return states;
}

void CaptionerBase::encode(const image::PixelValues& pixels) {
  const session::EncoderOutput states = run_encoder(pixels);
  if (decoder_) decoder_->start(states);
}

session::EncoderOutput CaptionerBase::decoder_states(const session::EncoderOutput& image,
                                                     const CaptionPrompt&) {
  return image;
}

void CaptionerBase::start(const CaptionPrompt&, std::span<const int64_t>) {}

std::span<const float> CaptionerBase::step(std::span<const int64_t> ids, int rows, int length,
                                           std::span<const int32_t> reorder) {
  return decoder_->step(ids, rows, length, reorder);
}

std::vector<int64_t> CaptionerBase::started_ids(const std::string& text,
                                                const generate::GenerationConfig& config) const {
  const auto start = config.decoder_start_token_id ? config.decoder_start_token_id : config.bos_token_id;
  if (!start) {
    throw core::Error(
        core::ErrorCode::kInvalidModel,
        dir_.string() +
            ": neither generation_config.json nor config.json names decoder_start_token_id or bos_token_id");
  }
  std::vector<int64_t> ids{*start};
  const tokenizer::Encoding encoding = tokenizer_.encode(text, {false, {}, {}});
  const bool starts_itself = !encoding.ids.empty() && encoding.ids[0] == *start;
  ids.insert(ids.end(), encoding.ids.begin() + (starts_itself ? 1 : 0), encoding.ids.end());
  return ids;
}

void CaptionerBase::refuse_task(const CaptionPrompt& prompt) {
  if (prompt.task.empty()) return;
  throw core::Error(core::ErrorCode::kUsage,
                    "this model knows no tasks; leave out --task, or ask in words with --prompt");
}

Caption CaptionerBase::make_caption(const generate::Sequence& sequence, const CaptionPrompt&) const {
  return {tokenizer_.decode(std::span<const int64_t>(sequence.ids)), sequence.ids, sequence.score};
}

int64_t CaptionerBase::reserve_positions(const generate::GenerationConfig& config, int64_t prompt_length) {
  std::vector<std::string> unused;
  const int64_t embedded = embedded_positions();
  const int64_t wanted =
      generate::resolve_lengths(config, prompt_length, unused, embedded).max + embedded + prefix_positions();
  if (positions_ == 0 || wanted <= positions_) return wanted;
  const std::string length = std::to_string(wanted) + " tokens";
  const std::string limit = std::to_string(positions_) + " positions";
  if (positions_are_table_) {
    throw core::Error(core::ErrorCode::kUsage, "a caption of up to " + length +
                                                   " is longer than the decoder's " + limit +
                                                   "; ask for fewer with --max-new-tokens");
  }
  const std::string remark = "a caption of up to " + length + " goes beyond the " + limit +
                             " that the decoder was trained for; beyond them it may lose the thread";
  if (std::find(remarks_.begin(), remarks_.end(), remark) == remarks_.end()) remarks_.push_back(remark);
  return wanted;
}

std::pair<int, int> CaptionerBase::input_size() const {
  const image::PixelValues sample =
      image::preprocess({32, 32, std::vector<uint8_t>(32 * 32 * 3)}, preprocess_);
  return {sample.height, sample.width};
}

CaptionResult CaptionerBase::caption(const image::Image& image, const CaptionPrompt& prompt,
                                     const generate::GenerationConfig& config, const OnText& on_text) {
  const auto begin = Clock::now();
  const image::PixelValues pixels = image::preprocess(image, preprocess_);
  const double preprocess_seconds = seconds_since(begin);
  CaptionResult result = caption_pixels(pixels, prompt, config, on_text);
  result.timing.preprocess = preprocess_seconds;
  result.timing.total += preprocess_seconds;
  return result;
}

std::vector<CaptionResult> CaptionerBase::caption_batch(std::span<const image::Image> images,
                                                        const CaptionPrompt& prompt,
                                                        const generate::GenerationConfig& config) {
  std::vector<CaptionResult> results;
  for (const image::Image& image : images) results.push_back(caption(image, prompt, config, {}));
  return results;
}

CaptionResult CaptionerBase::caption_pixels(const image::PixelValues& pixels, const CaptionPrompt& prompt,
                                            const generate::GenerationConfig& config, const OnText& on_text) {
  CaptionResult result;
  const auto begin = Clock::now();
  const session::EncoderOutput states = run_encoder(pixels);
  const std::vector<int64_t> ids = prompt_ids(prompt, config);
  generate::Prompts prompts{{ids}, {}, embedded_positions()};
  if (auto of_encoder = encoder_ids(); !of_encoder.empty()) prompts.encoder_ids = {std::move(of_encoder)};
  decoder_->reserve(reserve_positions(config, int64_t(ids.size())));
  decoder_->start(decoder_states(states, prompt));
  start(prompt, ids);
  result.timing.encode = seconds_since(begin);

  const DecoderStep decoder_step = [this](auto ids_of_step, int rows, int length, auto reorder) {
    return step(ids_of_step, rows, length, reorder);
  };
  GenerationTiming timing;
  const auto sequences = run_generation(
      {decoder_step, decoder_->vocab(), &tokenizer_, on_text, {}, {}, decoder_->roles().states.empty()},
      prompts, config, timing);
  result.timing.prefill = timing.prefill;
  result.timing.steps = std::move(timing.steps);
  result.prompt_tokens = int64_t(ids.size()) + prompts.embedded;
  const auto text_begin = Clock::now();
  for (const generate::Sequence& sequence : sequences.at(0)) {
    result.captions.push_back(make_caption(sequence, prompt));
    result.captions.back().new_tokens = sequence.length - int64_t(ids.size());
  }
  result.timing.detokenize = seconds_since(text_begin);
  result.timing.total = seconds_since(begin);
  return result;
}

std::vector<std::string> CaptionerBase::description() const { return description_; }

std::vector<std::string> CaptionerBase::warnings() const {
  std::vector<std::string> all = preprocess_.warnings;
  all.insert(all.end(), remarks_.begin(), remarks_.end());
  if (decoder_) all.insert(all.end(), decoder_->remarks().begin(), decoder_->remarks().end());
  return all;
}

std::vector<const plan::Plan*> CaptionerBase::plans() const {
  std::vector<const plan::Plan*> all{encoder_program_ != nullptr ? &encoder_program_->plan() : nullptr};
  if (!decoder_) return all;
  const auto decoder = decoder_->plans();
  all.insert(all.end(), decoder.begin(), decoder.end());
  return all;
}

Fallbacks CaptionerBase::fallbacks() const { return count_fallbacks(plans()); }

}  // namespace vulcap::loader
