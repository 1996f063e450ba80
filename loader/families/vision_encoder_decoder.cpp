// Vision encoder-decoder (ViT-GPT2): pixel_values -> hidden states -> tokens by cross-attention. Follows
// transformers 4.57 VisionEncoderDecoderModel.generate and ViTImageProcessor; files in optimum's and the
// onnx-community layout.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "loader/decoder_roles.h"
#include "loader/families/families.h"
#include "loader/generation_config.h"
#include "loader/image/preprocess.h"
#include "loader/model_dir.h"
#include "loader/onnx/import.h"
#include "loader/read_json.h"
#include "loader/tokenizer/stream_decoder.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/generate/generate.h"
#include "runtime/ops/op_registry.h"
#include "runtime/session/uncached_decoder.h"

namespace vulcap::loader {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::optional<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class VisionEncoderDecoder : public Captioner {
 public:
  VisionEncoderDecoder(const std::filesystem::path& dir, const nlohmann::json& config,
                       session::Device& device, const LoadOptions& options)
      : dir_(dir), tokenizer_(tokenizer::Tokenizer::load(dir)), device_(device) {
    const auto preprocessor = dir / "preprocessor_config.json";
    preprocess_ = image::parse_preprocess_config(read_json_object(preprocessor), preprocessor.string(),
                                                 "ViTImageProcessor");
    sources_.generation_config_json = read_text(dir / "generation_config.json");
    sources_.config_json = config.dump();
    if (config.contains("decoder") && config["decoder"].is_object()) read_decoder_config(config["decoder"]);
    load_graphs(options);
  }

  generate::GenerationConfig generation_config(const GenerationFlags& flags,
                                               std::vector<std::string>& warnings) const override {
    GenerationSources sources = sources_;
    sources.flags = flags;
    LoadedGenerationConfig loaded = load_generation_config(sources);
    warnings.insert(warnings.end(), loaded.warnings.begin(), loaded.warnings.end());
    return loaded.config;
  }

  CaptionResult caption(const image::Image& image, const generate::GenerationConfig& config,
                        const std::function<void(const std::string&)>& on_text) override;

  CaptionResult caption_pixels(const image::PixelValues& pixels, const generate::GenerationConfig& config,
                               const std::function<void(const std::string&)>& on_text) override;
  void prepare(const generate::GenerationConfig& config) override;
  void encode(const image::PixelValues& pixels) override;
  std::pair<int, int> input_size() const override;

  std::vector<std::string> description() const override { return description_; }
  std::vector<std::string> warnings() const override {
    std::vector<std::string> all = preprocess_.warnings;
    all.insert(all.end(), remarks_.begin(), remarks_.end());
    return all;
  }
  std::vector<std::pair<std::string, int>> fallbacks() const override;

 private:
  class Steps;

  void read_decoder_config(const nlohmann::json& decoder) {
    for (const char* key : {"n_positions", "max_position_embeddings", "n_ctx"}) {
      if (decoder.contains(key) && decoder[key].is_number_integer()) positions_ = decoder[key].get<int64_t>();
      if (positions_ > 0) return;
    }
  }

  void load_graphs(const LoadOptions& options) {
    const Seq2SeqFiles files = find_vision_encoder_decoder(dir_, options.dtype);
    encoder_ = std::make_unique<session::Session>(device_, onnx::load_graph(files.encoder.path),
                                                  passes_for(files.encoder, options));
    describe("encoder", files.encoder, options);
    const graph::Graph& encoder = encoder_->graph();
    states_name_ = encoder.value(encoder.outputs.at(0)).name;
    for (graph::ValueId out : encoder.outputs) {
      if (encoder.value(out).name == "last_hidden_state") states_name_ = "last_hidden_state";
    }
    if (options.encoder_only) return;
    // A decoder that takes a past also answers for the first token: its past is then empty.
    const auto& with_past = files.decoder_merged ? files.decoder_merged : files.decoder_with_past;
    const OnnxFile& chosen = with_past ? *with_past : *files.decoder;
    describe("decoder", chosen, options);
    graph::Graph graph = onnx::load_graph(chosen.path);
    session::DecoderRoles roles;
    try {
      roles = find_decoder_roles(graph);
    } catch (core::Error& error) {
      error.add_context(chosen.path.string());
      throw;
    }
    make_decoder(std::move(graph), std::move(roles), passes_for(chosen, options), with_past.has_value());
    compare_vocabularies();
  }

  // Ids without a token would be left out of captions without a word.
  void compare_vocabularies() {
    const auto known = int64_t(tokenizer_.vocab_size());
    if (known >= decoder_->vocab()) return;
    remarks_.push_back("the tokenizer has " + std::to_string(known) + " tokens but the decoder scores " +
                       std::to_string(decoder_->vocab()) + "; ids beyond them have no text");
  }

  void make_decoder(graph::Graph graph, session::DecoderRoles roles, const passes::PassOptions& passes,
                    bool cached) {
    if (cached) {
      decoder_ = std::make_unique<session::CachedDecoder>(device_, graph, roles, passes);
      uncached_ = [this, graph, roles, passes] {
        decoder_ = std::make_unique<session::UncachedDecoder>(device_, graph, roles, passes);
      };
    } else {
      decoder_ =
          std::make_unique<session::UncachedDecoder>(device_, std::move(graph), std::move(roles), passes);
    }
  }

  static passes::PassOptions passes_for(const OnnxFile& file, const LoadOptions& options) {
    passes::PassOptions passes = options.passes;
    passes.half = converts_to_half(options.dtype, file);
    return passes;
  }

  void describe(const std::string& role, const OnnxFile& file, const LoadOptions& options) {
    description_.push_back(role + ": " + file.path.string() + " (" + file.dtype +
                           (converts_to_half(options.dtype, file) ? ", run in fp16)" : ")"));
  }

  session::EncoderOutput prepare_encoder(const image::PixelValues& pixels);
  void with_or_without_cache(const std::function<void()>& action);
  generate::Hooks make_hooks(const generate::GenerationConfig& config,
                             const std::function<void(const std::string&)>& on_text,
                             tokenizer::StreamDecoder& stream) const;
  int64_t start_token(const generate::GenerationConfig& config) const;
  int64_t reserve_positions(const generate::GenerationConfig& config) const;

  std::filesystem::path dir_;
  tokenizer::Tokenizer tokenizer_;
  session::Device& device_;
  image::PreprocessConfig preprocess_;
  GenerationSources sources_;
  int64_t positions_ = 0;  // of the decoder's position table; 0: not told
  std::unique_ptr<session::Session> encoder_;
  session::Program* encoder_program_ = nullptr;
  std::string states_name_;  // the encoder's output that the decoder reads
  std::unique_ptr<session::Decoder> decoder_;
  std::function<void()> uncached_;  // replaces decoder_ by one without cache; empty when it has none already
  std::vector<std::string> remarks_;
  std::vector<std::string> description_;
};

// What generation drives; it also keeps the time of every call.
class VisionEncoderDecoder::Steps : public generate::StepModel {
 public:
  Steps(VisionEncoderDecoder& model, CaptionTiming& timing) : model_(model), timing_(timing) {}

  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override {
    const auto begin = Clock::now();
    const auto logits = model_.decoder_->step(ids, rows, length, reorder);
    if (first_) {
      timing_.prefill = seconds_since(begin);
    } else {
      timing_.steps.push_back(seconds_since(begin));
    }
    first_ = false;
    return logits;
  }
  int vocab_size() const override { return int(model_.decoder_->vocab()); }

 private:
  VisionEncoderDecoder& model_;
  CaptionTiming& timing_;
  bool first_ = true;
};

// f32[1, channels, height, width], or f16 where the graph takes that.
core::Tensor pixel_tensor(const image::PixelValues& pixels, core::DType dtype) {
  const core::Shape shape{1, pixels.channels, pixels.height, pixels.width};
  if (dtype != core::DType::kF16) {
    return {core::DType::kF32, shape, std::as_bytes(std::span(pixels.data)), nullptr, false};
  }
  core::Tensor tensor(dtype, shape);
  std::transform(pixels.data.begin(), pixels.data.end(), tensor.mutable_as<uint16_t>().begin(),
                 core::float_to_half);
  return tensor;
}

session::EncoderOutput VisionEncoderDecoder::prepare_encoder(const image::PixelValues& pixels) {
  const graph::Value& input = encoder_->graph().value(encoder_->graph().inputs.at(0));
  encoder_program_ = &encoder_->prepare({{input.name, pixel_tensor(pixels, input.dtype)}});
  const plan::External& slot =
      encoder_program_->plan().externals[encoder_program_->plan().external(states_name_)];
  core::Shape shape;
  for (const core::Dim& dim : slot.shape) shape.push_back(dim.value());
  return {encoder_program_->buffer(states_name_), slot.dtype, std::move(shape)};
}

void VisionEncoderDecoder::prepare(const generate::GenerationConfig& config) {
  const auto [height, width] = input_size();
  const image::PixelValues blank{std::vector<float>(size_t(3) * size_t(height) * size_t(width)), 3, height,
                                 width};
  const session::EncoderOutput states = prepare_encoder(blank);
  if (!decoder_) return;
  decoder_->reserve(reserve_positions(config));
  with_or_without_cache([&] { decoder_->prepare(states, int(config.num_beams)); });
}

void VisionEncoderDecoder::encode(const image::PixelValues& pixels) {
  const session::EncoderOutput states = prepare_encoder(pixels);
  encoder_program_->run();
  if (decoder_) with_or_without_cache([&] { decoder_->start(states); });
}

// A graph that uses its cache in a way the in-place form cannot express is run without cache: slower, the
// same answers.
void VisionEncoderDecoder::with_or_without_cache(const std::function<void()>& action) {
  try {
    action();
  } catch (const ops::NeedsStaticShape& error) {
    if (!uncached_) throw;
    remarks_.push_back("the decoder runs without its key/value cache, which is slow: " + error.message());
    uncached_();
    uncached_ = nullptr;
    action();
  }
}

int64_t VisionEncoderDecoder::start_token(const generate::GenerationConfig& config) const {
  if (config.decoder_start_token_id) return *config.decoder_start_token_id;
  if (config.bos_token_id) return *config.bos_token_id;
  throw core::Error(
      core::ErrorCode::kInvalidModel,
      dir_.string() +
          ": neither generation_config.json nor config.json names decoder_start_token_id or bos_token_id");
}

int64_t VisionEncoderDecoder::reserve_positions(const generate::GenerationConfig& config) const {
  std::vector<std::string> unused;
  const int64_t wanted = generate::resolve_lengths(config, 1, unused).max;
  if (positions_ > 0 && wanted > positions_) {
    throw core::Error(core::ErrorCode::kUsage, "a caption of up to " + std::to_string(wanted) +
                                                   " tokens is longer than the decoder's " +
                                                   std::to_string(positions_) +
                                                   " positions; ask for fewer with --max-new-tokens");
  }
  return wanted;
}

std::pair<int, int> VisionEncoderDecoder::input_size() const {
  const image::PixelValues sample =
      image::preprocess({32, 32, std::vector<uint8_t>(32 * 32 * 3)}, preprocess_);
  return {sample.height, sample.width};
}

CaptionResult VisionEncoderDecoder::caption(const image::Image& image,
                                            const generate::GenerationConfig& config,
                                            const std::function<void(const std::string&)>& on_text) {
  const auto begin = Clock::now();
  const image::PixelValues pixels = image::preprocess(image, preprocess_);
  const double preprocess_seconds = seconds_since(begin);
  CaptionResult result = caption_pixels(pixels, config, on_text);
  result.timing.preprocess = preprocess_seconds;
  result.timing.total += preprocess_seconds;
  return result;
}

CaptionResult VisionEncoderDecoder::caption_pixels(const image::PixelValues& pixels,
                                                   const generate::GenerationConfig& config,
                                                   const std::function<void(const std::string&)>& on_text) {
  CaptionResult result;
  const auto begin = Clock::now();
  decoder_->reserve(reserve_positions(config));
  encode(pixels);
  result.timing.encode = seconds_since(begin);

  tokenizer::StreamDecoder stream(tokenizer_);
  const generate::Hooks hooks = make_hooks(config, on_text, stream);
  Steps steps(*this, result.timing);
  const auto sequences = generate::generate(steps, {{{start_token(config)}}, {}}, config, hooks);
  if (on_text) on_text(stream.finish());
  const auto text_begin = Clock::now();
  for (const generate::Sequence& sequence : sequences.at(0)) {
    result.captions.push_back(
        {tokenizer_.decode(std::span<const int64_t>(sequence.ids)), sequence.ids, sequence.score});
  }
  result.timing.detokenize = seconds_since(text_begin);
  result.timing.total = seconds_since(begin);
  return result;
}

generate::Hooks VisionEncoderDecoder::make_hooks(const generate::GenerationConfig& config,
                                                 const std::function<void(const std::string&)>& on_text,
                                                 tokenizer::StreamDecoder& stream) const {
  generate::Hooks hooks;
  if (on_text) {
    hooks.on_token = [&stream, on_text](int row, int64_t id) {
      if (row == 0) on_text(stream.push(uint32_t(id)));
    };
  }
  if (!config.stop_strings.empty()) {
    hooks.stop_when = [this, stops = config.stop_strings](std::span<const int64_t> ids) {
      const std::string text = tokenizer_.decode(ids);
      return std::any_of(stops.begin(), stops.end(),
                         [&](const std::string& stop) { return text.ends_with(stop); });
    };
  }
  return hooks;
}

std::vector<std::pair<std::string, int>> VisionEncoderDecoder::fallbacks() const {
  std::map<std::string, int> counts;
  auto add = [&](const plan::Plan* plan) {
    for (size_t i = 0; plan != nullptr && i < plan->calls.size(); ++i) {
      if (plan->on_host[i])
        ++counts[std::string(ops::kernels()[plan->calls[i].kernel].name) + ": " + plan->reasons[i]];
    }
  };
  add(encoder_program_ != nullptr ? &encoder_program_->plan() : nullptr);
  for (const plan::Plan* plan : decoder_ ? decoder_->plans() : std::vector<const plan::Plan*>{}) add(plan);
  return {counts.begin(), counts.end()};
}

}  // namespace

std::unique_ptr<Captioner> load_vision_encoder_decoder(const std::filesystem::path& dir,
                                                       const nlohmann::json& config, session::Device& device,
                                                       const LoadOptions& options) {
  return std::make_unique<VisionEncoderDecoder>(dir, config, device, options);
}

}  // namespace vulcap::loader
