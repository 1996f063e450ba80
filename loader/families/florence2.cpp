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

// The positions of both, f[images, positions, width] each, as one sequence an image in the given dtype.
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
  for (size_t image = 0; image < size_t(shape[0]); ++image) {
    for (const core::Tensor& part : parts) {
      const size_t bytes = part.bytes().size() / size_t(shape[0]);
      const auto own = part.bytes().subspan(image * bytes, bytes);
      to = std::copy(own.begin(), own.end(), to);
    }
  }
  return joined;
}

class Florence2 : public CaptionerBase {
 public:
  Florence2(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
            const LoadOptions& options);

  void prepare(const generate::GenerationConfig& config) override;
  void encode(const image::PixelValues& pixels) override { run_encoder({&pixels, 1}); }

 private:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt,
                                  const generate::GenerationConfig& config) override;
  size_t prompt_length(const CaptionPrompt& prompt, const grounding::ImageSize& size) const override;
  std::vector<int64_t> encoder_ids(size_t image) const override;
  void note_images(std::span<const image::PixelValues> images, const session::EncoderOutput& output) override;
  session::EncoderOutput decoder_states(const session::EncoderOutput& images,
                                        const CaptionPrompt& prompt) override;
  std::span<const float> step(std::span<const int64_t> ids, int rows, int length,
                              std::span<const int32_t> reorder) override;
  Caption make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt,
                       size_t image) const override;
  std::vector<const plan::Plan*> plans() const override;

  std::vector<int64_t> text_ids(const grounding::Request& request) const;
  // The encoder's program with images and texts written, not yet run, and where its output will be.
  session::EncoderOutput prepare_text_encoder(const core::Tensor& images, const core::Tensor& texts);

  grounding::Settings settings_;
  std::unique_ptr<TokenEmbeddings> embeddings_;
  std::unique_ptr<session::Session> text_encoder_;
  session::Program* text_program_ = nullptr;
  int64_t image_token_ = -1;
  int64_t image_positions_ = 0;  // of an image's features

  // What is asked about each image.
  std::vector<grounding::Request> requests_;
  std::vector<std::vector<int64_t>> text_ids_;  // of equal length
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

std::vector<int64_t> Florence2::text_ids(const grounding::Request& request) const {
  const tokenizer::Encoding text = tokenizer_.encode(request.prompt, tokenizer::EncodeOptions{});
  return {text.ids.begin(), text.ids.end()};
}

// Regions are in pixels of the image.
size_t Florence2::prompt_length(const CaptionPrompt& prompt, const grounding::ImageSize& size) const {
  return text_ids(settings_.tasks.resolve(prompt.task, prompt.text, size)).size();
}

std::vector<int64_t> Florence2::prompt_ids(const CaptionPrompt& prompt,
                                           const generate::GenerationConfig& config) {
  requests_.clear();
  text_ids_.clear();
  for (const grounding::ImageSize& size : image_sizes_) {
    requests_.push_back(settings_.tasks.resolve(prompt.task, prompt.text, size));
    text_ids_.push_back(text_ids(requests_.back()));
  }
  return started_ids("", config);
}

// As Florence2Processor writes them: an image token for each feature, then the prompt.
std::vector<int64_t> Florence2::encoder_ids(size_t image) const {
  std::vector<int64_t> ids;
  if (image_token_ >= 0) ids.assign(size_t(image_positions_), image_token_);
  ids.insert(ids.end(), text_ids_[image].begin(), text_ids_[image].end());
  return ids;
}

void Florence2::note_images(std::span<const image::PixelValues>, const session::EncoderOutput& output) {
  image_positions_ = output.shape.at(1);
}

session::EncoderOutput Florence2::decoder_states(const session::EncoderOutput& images, const CaptionPrompt&) {
  std::vector<int64_t> ids;
  for (const std::vector<int64_t>& text : text_ids_) ids.insert(ids.end(), text.begin(), text.end());
  const core::Tensor texts = embeddings_->embed(ids, int(text_ids_.size()), int(text_ids_[0].size()));
  session::EncoderOutput states = prepare_text_encoder(read_output(images), texts);
  text_program_->run();
  return states;
}

session::EncoderOutput Florence2::prepare_text_encoder(const core::Tensor& images,
                                                       const core::Tensor& texts) {
  const graph::Graph& graph = text_encoder_->graph();
  const graph::Value& embeds = graph.value(graph.find_input(kEmbeds));
  const core::Tensor joined = join_positions(images, texts, embeds.dtype);
  const int64_t positions = joined.shape()[1];
  if (positions_ > 0 && positions > positions_) {
    throw core::Error(core::ErrorCode::kUsage, "image and prompt make " + std::to_string(positions) +
                                                   " positions, more than the encoder's " +
                                                   std::to_string(positions_) + "; shorten the prompt");
  }
  session::NamedTensors inputs{{kEmbeds, joined}};
  if (graph.find_input(kMask) != graph::kNoValue) {
    const core::Shape shape{joined.shape()[0], positions};
    inputs[kMask] =
        core::Tensor::from(core::DType::kI64, shape, std::vector<int64_t>(core::element_count(shape), 1));
  }
  text_program_ = &text_encoder_->prepare(inputs);
  return output_of(*text_program_, graph.value(graph.outputs.at(0)).name);
}

void Florence2::prepare(const generate::GenerationConfig& config) {
  const session::EncoderOutput image = prepare_encoder();
  const std::vector<int64_t> ids = prompt_ids({}, config);
  if (!decoder_) return;
  const auto blank = [&](int64_t positions) {
    return core::Tensor(core::DType::kF32, {1, positions, image.shape.at(2)});
  };
  decoder_->reserve(reserve_positions(config, int64_t(ids.size())));
  decoder_->prepare(prepare_text_encoder(blank(image.shape.at(1)), blank(int64_t(text_ids_[0].size()))),
                    int(config.num_beams));
}

std::span<const float> Florence2::step(std::span<const int64_t> ids, int rows, int length,
                                       std::span<const int32_t> reorder) {
  if (!decoder_->roles().ids.empty()) return decoder_->step(ids, rows, length, reorder);
  const core::Tensor tokens = embeddings_->embed(ids, rows, length);
  return decoder_->step(as_float(tokens, decoder_->input_dtype(decoder_->roles().embeds)), rows, length,
                        reorder);
}

Caption Florence2::make_caption(const generate::Sequence& sequence, const CaptionPrompt& prompt,
                                size_t image) const {
  Caption caption = CaptionerBase::make_caption(sequence, prompt, image);
  const grounding::Task* task = requests_[image].task;
  if (task == nullptr) return caption;
  const auto ids = std::span(sequence.ids).first(size_t(sequence.length));
  caption.answer =
      settings_.post_processor.answer(task->answer, tokenizer_.decode(ids, false), image_sizes_[image]);
  caption.answer->task = task->token;
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
