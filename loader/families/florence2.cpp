// Florence-2: image features and the prompt's token embeddings are one sequence for a BART encoder; the
// decoder reads the encoder's output by cross-attention. Follows transformers 4.57
// Florence2ForConditionalGeneration and Florence2Processor; files in the onnx-community layout
// (vision_encoder, embed_tokens, encoder_model, decoders that take inputs_embeds).
#include <algorithm>
#include <utility>

#include "loader/families/captioner_base.h"
#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "loader/generation/token_embeddings.h"
#include "loader/grounding/settings.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr const char* kEmbeds = "inputs_embeds";
constexpr const char* kMask = "attention_mask";

// inputs_embeds -> hidden states.
Role text_encoder_role() {
  return {"text encoder (inputs_embeds -> hidden states)",
          {"encoder_model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (!has_value(graph.inputs, kEmbeds)) return "lacks the input inputs_embeds";
            if (has_value(graph.inputs, "encoder_hidden_states")) return "reads an encoder's output";
            return has_value(graph.outputs, "logits") ? "is a decoder" : "";
          }};
}

// The positions of both, f[1, positions, width] each, as one sequence in the given dtype.
core::Tensor join_positions(const core::Tensor& first, const core::Tensor& second, core::DType dtype) {
  const core::Tensor parts[] = {as_float(first, dtype), as_float(second, dtype)};
  core::Shape shape = first.shape();
  const core::Shape& other = second.shape();
  if (shape.size() != 3 || other.size() != 3 || shape[0] != other[0] || shape[2] != other[2]) {
    throw core::Error(core::ErrorCode::kInvalidModel, "image features " + core::shape_text(shape) +
                                                          " and token embeddings " + core::shape_text(other) +
                                                          " do not make one sequence");
  }
  shape[1] += other[1];
  core::Tensor joined(dtype, shape);
  std::byte* to = joined.mutable_bytes().data();
  for (const core::Tensor& part : parts) to = std::copy(part.bytes().begin(), part.bytes().end(), to);
  return joined;
}

class Florence2 : public CaptionerBase {
 public:
  Florence2(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
            const LoadOptions& options);

  CaptionResult caption(const image::Image& image, const CaptionPrompt& prompt,
                        const generate::GenerationConfig& config, const OnText& on_text) override;
  CaptionResult caption_pixels(const image::PixelValues& pixels, const CaptionPrompt& prompt,
                               const generate::GenerationConfig& config, const OnText& on_text) override;
  void prepare(const generate::GenerationConfig& config) override;
  void encode(const image::PixelValues& pixels) override { run_encoder(pixels); }

 private:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                  const generate::GenerationConfig& config) override;
  std::vector<int64_t> encoder_ids() const override;
  session::EncoderOutput prepare_encoder(const image::PixelValues& pixels) override;
  session::EncoderOutput decoder_states(const session::EncoderOutput& image,
                                        const CaptionPrompt& prompt) override;
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override;
  Caption make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt) const override;
  std::vector<const plan::Plan*> plans() const override;

  // The encoder's program with image and text written, not yet run, and where its output will be.
  session::EncoderOutput prepare_text_encoder(const core::Tensor& image, const core::Tensor& text);

  grounding::Settings settings_;
  std::unique_ptr<TokenEmbeddings> embeddings_;
  std::unique_ptr<session::Session> text_encoder_;
  session::Program* text_program_ = nullptr;
  int64_t image_token_ = -1;
  int64_t image_positions_ = 0;  // of the last image's features

  // What is being captioned.
  grounding::ImageSize decoded_size_;  // of the image that caption() was given, until its pixels come
  grounding::ImageSize image_size_;
  grounding::Request request_;
  std::vector<int64_t> text_ids_;
};

Florence2::Florence2(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
                     const LoadOptions& options)
    : CaptionerBase(dir, config, device, options, "CLIPImageProcessor"),
      settings_(grounding::read_settings(dir)) {
  remarks_ = settings_.warnings;
  read_positions(section(config, "text_config"));
  image_token_ = first_integer(config, {"image_token_id", "image_token_index"}).value_or(-1);
  const ModelFiles files(dir, options.dtype);
  load_encoder(files.require(image_encoder_role()), "vision encoder");
  if (options.encoder_only) return;
  const OnnxFile tokens = files.require(token_embeddings_role());
  embeddings_ = std::make_unique<TokenEmbeddings>(device_, tokens, options_);
  description_.push_back(embeddings_->description());
  const OnnxFile encoder = files.require(text_encoder_role());
  text_encoder_ = std::make_unique<session::Session>(device_, load_graph(encoder, options_),
                                                     passes_for(encoder, options_));
  description_.push_back(describe_file("text encoder", encoder, options_));
  load_decoder(files.require_decoders({.cross_attention = true, .input = DecoderNeeds::Input::kEither}));
}

CaptionResult Florence2::caption(const image::Image& image, const CaptionPrompt& prompt,
                                 const generate::GenerationConfig& config, const OnText& on_text) {
  decoded_size_ = {image.width, image.height};
  return CaptionerBase::caption(image, prompt, config, on_text);
}

// Regions are in pixels of the image where there is one, else of the pixel values.
CaptionResult Florence2::caption_pixels(const image::PixelValues& pixels, const CaptionPrompt& prompt,
                                        const generate::GenerationConfig& config, const OnText& on_text) {
  image_size_ = std::exchange(decoded_size_, {});
  if (image_size_.width == 0) image_size_ = {pixels.width, pixels.height};
  return CaptionerBase::caption_pixels(pixels, prompt, config, on_text);
}

std::vector<int64_t> Florence2::prompt_ids(const CaptionPrompt& prompt,
                                           const generate::GenerationConfig& config) {
  request_ = settings_.tasks.resolve(prompt.task, prompt.text, image_size_);
  const tokenizer::Encoding text = tokenizer_.encode(request_.prompt, tokenizer::EncodeOptions{});
  text_ids_.assign(text.ids.begin(), text.ids.end());
  return started_ids("", config);
}

// As Florence2Processor writes them: an image token for each feature, then the prompt.
std::vector<int64_t> Florence2::encoder_ids() const {
  std::vector<int64_t> ids;
  if (image_token_ >= 0) ids.assign(size_t(image_positions_), image_token_);
  ids.insert(ids.end(), text_ids_.begin(), text_ids_.end());
  return ids;
}

session::EncoderOutput Florence2::prepare_encoder(const image::PixelValues& pixels) {
  session::EncoderOutput features = CaptionerBase::prepare_encoder(pixels);
  image_positions_ = features.shape.at(1);
  return features;
}

session::EncoderOutput Florence2::decoder_states(const session::EncoderOutput&, const CaptionPrompt&) {
  const core::Tensor text = embeddings_->embed(text_ids_, 1, int(text_ids_.size()));
  session::EncoderOutput states = prepare_text_encoder(encoder_program_->read(states_name_), text);
  text_program_->run();
  return states;
}

session::EncoderOutput Florence2::prepare_text_encoder(const core::Tensor& image, const core::Tensor& text) {
  const graph::Graph& graph = text_encoder_->graph();
  const graph::Value& embeds = graph.value(graph.find_input(kEmbeds));
  const core::Tensor joined = join_positions(image, text, embeds.dtype);
  const int64_t positions = joined.shape()[1];
  if (positions_ > 0 && positions > positions_) {
    throw core::Error(core::ErrorCode::kUsage, "image and prompt make " + std::to_string(positions) +
                                                   " positions, more than the encoder's " +
                                                   std::to_string(positions_) + "; shorten the prompt");
  }
  session::NamedTensors inputs{{kEmbeds, joined}};
  if (graph.find_input(kMask) != graph::kNoValue) {
    inputs[kMask] =
        core::Tensor::from(core::DType::kI64, {1, positions}, std::vector<int64_t>(size_t(positions), 1));
  }
  text_program_ = &text_encoder_->prepare(inputs);
  return output_of(*text_program_, graph.value(graph.outputs.at(0)).name);
}

void Florence2::prepare(const generate::GenerationConfig& config) {
  image_size_ = {1, 1};
  const std::vector<int64_t> ids = prompt_ids({}, config);
  const auto [height, width] = input_size();
  const session::EncoderOutput image =
      prepare_encoder({std::vector<float>(size_t(3) * size_t(height) * size_t(width)), 3, height, width});
  if (!decoder_) return;
  const auto blank = [&](int64_t positions) {
    return core::Tensor(core::DType::kF32, {1, positions, image.shape.at(2)});
  };
  decoder_->reserve(reserve_positions(config, int64_t(ids.size())));
  decoder_->prepare(prepare_text_encoder(blank(image.shape.at(1)), blank(int64_t(text_ids_.size()))),
                    int(config.num_beams));
}

std::span<const float> Florence2::step(std::span<const int64_t> ids, int rows, int length,
                                       std::span<const int32_t> reorder) {
  if (!decoder_->roles().ids.empty()) return decoder_->step(ids, rows, length, reorder);
  const core::Tensor tokens = embeddings_->embed(ids, rows, length);
  return decoder_->step(as_float(tokens, decoder_->input_dtype(decoder_->roles().embeds)), rows, length,
                        reorder);
}

Caption Florence2::make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt) const {
  Caption caption = CaptionerBase::make_caption(sequence, prompt);
  if (request_.task == nullptr) return caption;
  const auto ids = std::span(sequence.ids).first(size_t(sequence.length));
  caption.answer =
      settings_.post_processor.answer(request_.task->answer, tokenizer_.decode(ids, false), image_size_);
  caption.answer->task = request_.task->token;
  return caption;
}

std::vector<const plan::Plan*> Florence2::plans() const {
  std::vector<const plan::Plan*> all = CaptionerBase::plans();
  if (embeddings_) {
    const auto tokens = embeddings_->plans();
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  if (text_program_ != nullptr) all.push_back(&text_program_->plan());
  return all;
}

}  // namespace

std::unique_ptr<Captioner> load_florence2(const std::filesystem::path& dir, const nlohmann::json& config,
                                          session::Device& device, const LoadOptions& options) {
  return std::make_unique<Florence2>(dir, config, device, options);
}

}  // namespace vulcap::loader
