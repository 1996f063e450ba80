#include "loader/families/captioner_base.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include "loader/families/encoder_inputs.h"
#include "loader/families/model_folder.h"
#include "loader/generation/run_generation.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using Clock = std::chrono::steady_clock;
using Images = std::span<const image::PixelValues>;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// An image's share of the steps that gave its tokens.
std::vector<double> steps_of(std::span<const generate::Sequence> sequences, int64_t prompt,
                             int64_t rows_an_image, const GenerationTiming& timing) {
  int64_t tokens = 0;
  for (const generate::Sequence& sequence : sequences) tokens = std::max(tokens, sequence.length - prompt);
  std::vector<double> steps;
  for (size_t i = 0; i < timing.steps.size() && int64_t(i) + 1 < tokens; ++i)
    steps.push_back(timing.steps[i] * std::min(1.0, double(rows_an_image) / timing.rows[i]));
  return steps;
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

core::Tensor read_output(const session::EncoderOutput& output) {
  core::Tensor tensor(output.dtype, output.shape);
  output.buffer->read(0, tensor.mutable_bytes());
  return tensor;
}

session::EncoderOutput CaptionerBase::write_pixels(Images images) {
  const core::DType dtype = decoder_->input_dtype(decoder_->roles().states);
  const image::PixelValues& one = images.front();
  const core::Shape shape{int64_t(images.size()) * one.frames, one.channels, one.height, one.width};
  const core::Tensor tensor = pixel_tensor(images, dtype, shape);
  if (!joined_ || joined_->size() < tensor.bytes().size())
    joined_ = device_.backend().allocate(tensor.bytes().size(), "pixel_values");
  joined_->write(0, tensor.bytes());
  return {joined_, dtype, shape};
}

session::EncoderOutput CaptionerBase::prepare_images(Images images) {
  encoder_program_ = &encoder_->prepare(encoder_inputs(encoder_->graph(), images, preprocess_));
  return output_of(*encoder_program_, states_name_);
}

// Whether the encoder's graph computes these images in one run and keeps them apart.
bool CaptionerBase::prepare_together(Images images, session::EncoderOutput& output) {
  if (!encoder_takes_batches_) return false;
  try {
    output = prepare_images(images);
    const auto count = int64_t(images.size());
    if (!output.shape.empty() && (output.shape[0] == count || output.shape[0] == count * images[0].frames))
      return true;
    remark("the image encoder mixes the images of a batch: it runs for one at a time");
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kInvalidModel) throw;
    remark("the image encoder takes no batches and runs for one image at a time: " + error.message());
  }
  encoder_takes_batches_ = false;
  return false;
}

// Puts `count` images' part into `joined`, behind the `at` images before them.
void CaptionerBase::join(const session::EncoderOutput& part, size_t at, size_t count,
                         session::EncoderOutput& joined) {
  const core::Tensor tensor = read_output(part);
  const size_t bytes = tensor.bytes().size() / count;
  if (at == 0) {
    joined.dtype = part.dtype;
    joined.shape = part.shape;
    joined.shape[0] = 0;
    const size_t all = bytes * image_sizes_.size();
    if (!joined_ || joined_->size() < all) joined_ = device_.backend().allocate(all, "states");
    joined.buffer = joined_;
  }
  joined.shape[0] += part.shape[0];
  joined.buffer->write(at * bytes, tensor.bytes());
}

session::EncoderOutput CaptionerBase::run_encoder(Images images) {
  session::EncoderOutput output;
  if (!encoder_) {
    output = write_pixels(images);
  } else {
    session::EncoderOutput part;
    for (size_t at = 0, count = 0; at < images.size(); at += count) {
      // Few sizes of batches, so that few plans are made.
      count = std::bit_floor(images.size() - at);
      if (count > 1 && !prepare_together(images.subspan(at, count), part)) count = 1;
      if (count == 1) part = prepare_images(images.subspan(at, 1));
      encoder_program_->run();
      if (count == images.size()) {
        output = part;
      } else {
        join(part, at, count, output);
      }
    }
  }
  note_images(images, output);
  return output;
}

session::EncoderOutput CaptionerBase::prepare_encoder() {
  const auto [height, width] = input_size();
  const image::PixelValues blank{std::vector<float>(size_t(3) * size_t(height) * size_t(width)), 3, height,
                                 width};
  image_sizes_ = {{width, height}};
  const session::EncoderOutput output = encoder_ ? prepare_images({&blank, 1}) : write_pixels({&blank, 1});
  note_images({&blank, 1}, output);
  return output;
}

void CaptionerBase::prepare(const generate::GenerationConfig& config) {
  const session::EncoderOutput images = prepare_encoder();
  if (!decoder_) return;
  decoder_->reserve(reserve_positions(config, 1) + usual_positions());
  decoder_->prepare(decoder_->roles().states.empty() ? session::EncoderOutput{} : images,
                    int(config.num_beams));
}

void CaptionerBase::encode(const image::PixelValues& pixels) {
  const session::EncoderOutput images = run_encoder({&pixels, 1});
  if (decoder_) decoder_->start(decoder_->roles().states.empty() ? session::EncoderOutput{} : images);
}

session::EncoderOutput CaptionerBase::decoder_states(const session::EncoderOutput& images,
                                                     const CaptionPrompt&) {
  return images;
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

Caption CaptionerBase::make_caption(const generate::Sequence& sequence, const CaptionPrompt&, size_t) const {
  return {tokenizer_.decode(std::span<const int64_t>(sequence.ids)), sequence.ids, sequence.score};
}

void CaptionerBase::remark(const std::string& line) {
  if (std::find(remarks_.begin(), remarks_.end(), line) == remarks_.end()) remarks_.push_back(line);
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
  remark("a caption of up to " + length + " goes beyond the " + limit +
         " that the decoder was trained for; beyond them it may lose the thread");
  return wanted;
}

std::pair<int, int> CaptionerBase::input_size() const {
  const image::PixelValues sample =
      image::preprocess({32, 32, std::vector<uint8_t>(32 * 32 * 3)}, preprocess_);
  return {sample.height, sample.width};
}

// Images that run together, with their places among those of the call.
struct CaptionerBase::Group {
  std::vector<image::PixelValues> pixels;
  std::vector<grounding::ImageSize> sizes;
  std::vector<double> preprocess;  // seconds
  std::vector<size_t> places;
  size_t prompt_length = 0;

  bool takes(const image::PixelValues& other, size_t length) const {
    const image::PixelValues& own = pixels.front();
    return length == prompt_length && other.channels == own.channels && other.height == own.height &&
           other.width == own.width && other.frames == own.frames && other.frame_rows == own.frame_rows &&
           other.frame_columns == own.frame_columns;
  }
};

std::vector<CaptionerBase::Group> CaptionerBase::grouped(std::span<const image::Image> images,
                                                         const CaptionPrompt& prompt) const {
  std::vector<Group> groups;
  for (size_t i = 0; i < images.size(); ++i) {
    const auto begin = Clock::now();
    image::PixelValues pixels = image::preprocess(images[i], preprocess_);
    const grounding::ImageSize size{images[i].width, images[i].height};
    const size_t length = prompt_length(prompt, size);
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& known) { return known.takes(pixels, length); });
    if (group == groups.end()) {
      group = groups.emplace(groups.end());
      group->prompt_length = length;
    }
    group->pixels.push_back(std::move(pixels));
    group->sizes.push_back(size);
    group->preprocess.push_back(seconds_since(begin));
    group->places.push_back(i);
  }
  return groups;
}

std::vector<CaptionResult> CaptionerBase::caption_batch(std::span<const image::Image> images,
                                                        const CaptionPrompt& prompt,
                                                        const generate::GenerationConfig& config) {
  std::vector<CaptionResult> results(images.size());
  for (const Group& group : grouped(images, prompt)) {
    std::vector<CaptionResult> some = caption_group(group, prompt, config);
    for (size_t i = 0; i < some.size(); ++i) {
      some[i].timing.preprocess = group.preprocess[i];
      some[i].timing.total += group.preprocess[i];
      results[group.places[i]] = std::move(some[i]);
    }
  }
  return results;
}

// One by one where the decoder's graph takes no batches.
std::vector<CaptionResult> CaptionerBase::caption_group(const Group& group, const CaptionPrompt& prompt,
                                                        const generate::GenerationConfig& config) {
  const Images images = group.pixels;
  if (images.size() == 1 || decoder_takes_batches_) {
    try {
      image_sizes_ = group.sizes;
      return caption_together(images, prompt, config, {});
    } catch (const core::Error& error) {
      if (images.size() == 1 || error.code() != core::ErrorCode::kInvalidModel) throw;
      decoder_takes_batches_ = false;
      remark("the images of a batch run one by one: " + error.message());
    }
  }
  std::vector<CaptionResult> results;
  for (size_t i = 0; i < images.size(); ++i) {
    image_sizes_ = {group.sizes[i]};
    results.push_back(std::move(caption_together(images.subspan(i, 1), prompt, config, {}).at(0)));
  }
  return results;
}

CaptionResult CaptionerBase::caption(const image::Image& image, const CaptionPrompt& prompt,
                                     const generate::GenerationConfig& config, const OnText& on_text) {
  const auto begin = Clock::now();
  const image::PixelValues pixels = image::preprocess(image, preprocess_);
  const double preprocess_seconds = seconds_since(begin);
  image_sizes_ = {{image.width, image.height}};
  CaptionResult result = std::move(caption_together({&pixels, 1}, prompt, config, on_text).at(0));
  result.timing.preprocess = preprocess_seconds;
  result.timing.total += preprocess_seconds;
  return result;
}

CaptionResult CaptionerBase::caption_pixels(const image::PixelValues& pixels, const CaptionPrompt& prompt,
                                            const generate::GenerationConfig& config, const OnText& on_text) {
  image_sizes_ = {{pixels.width, pixels.height}};
  return std::move(caption_together({&pixels, 1}, prompt, config, on_text).at(0));
}

std::vector<CaptionResult> CaptionerBase::caption_together(Images images, const CaptionPrompt& prompt,
                                                           const generate::GenerationConfig& config,
                                                           const OnText& on_text) {
  const auto begin = Clock::now();
  const session::EncoderOutput encoded = run_encoder(images);
  const std::vector<int64_t> ids = prompt_ids(prompt, config);
  generate::Prompts prompts{{images.size(), ids}, {}, embedded_positions(), true};
  for (size_t i = 0; i < images.size(); ++i) {
    if (auto of_encoder = encoder_ids(i); !of_encoder.empty())
      prompts.encoder_ids.push_back(std::move(of_encoder));
  }
  decoder_->reserve(reserve_positions(config, int64_t(ids.size())));
  decoder_->start(decoder_states(encoded, prompt));
  start(prompt, ids);
  const double encode = seconds_since(begin);

  const DecoderStep decoder_step = [this](auto ids_of_step, int rows, int length, auto reorder) {
    return step(ids_of_step, rows, length, reorder);
  };
  GenerationTiming timing;
  const auto sequences = run_generation(
      {decoder_step, decoder_->vocab(), &tokenizer_, on_text, {}, {}, decoder_->roles().states.empty()},
      prompts, config, timing);
  const double together = seconds_since(begin);
  std::vector<CaptionResult> results(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto text_begin = Clock::now();
    results[i].prompt_tokens = int64_t(ids.size()) + prompts.embedded;
    for (const generate::Sequence& sequence : sequences.at(i)) {
      results[i].captions.push_back(make_caption(sequence, prompt, i));
      results[i].captions.back().new_tokens = sequence.length - int64_t(ids.size());
    }
    CaptionTiming& own = results[i].timing;
    own.encode = encode / double(images.size());
    own.prefill = timing.prefill / double(images.size());
    own.steps = images.size() == 1
                    ? timing.steps
                    : steps_of(sequences[i], int64_t(ids.size()),
                               std::max(config.num_beams, config.num_return_sequences), timing);
    own.detokenize = seconds_since(text_begin);
    own.total = together / double(images.size()) + own.detokenize;
  }
  return results;
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
