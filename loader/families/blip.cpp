// BLIP. Captions follow transformers 4.57 BlipForConditionalGeneration.generate: the text begins with
// text_config.bos_token_id ([DEC]) and the prompt, and ends at text_config.sep_token_id. Answers follow
// BlipForQuestionAnswering.generate: an encoder reads the question and the image, the decoder reads that
// encoder and begins with [DEC] alone. The files are told apart by what they declare: vision_model and
// text_decoder_model, split_0 and split_1, or one graph of both; an encoder of questions beside them.
#include "loader/families/captioner_base.h"
#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "loader/generation/token_embeddings.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using core::Error;
using core::ErrorCode;

class Blip : public CaptionerBase {
 public:
  Blip(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
       const LoadOptions& options)
      : CaptionerBase(dir, config, device, options, "BlipImageProcessor") {
    // Absent keys have the values of BlipTextConfig.
    const nlohmann::json& text = section(config, "text_config");
    bos_ = first_integer(text, {"bos_token_id"}).value_or(30522);
    sep_ = first_integer(text, {"sep_token_id"}).value_or(102);
    pad_ = first_integer(text, {"pad_token_id"}).value_or(0);
    read_positions(text);
    if (positions_ == 0) positions_ = 512;
    load_graphs(ModelFiles(dir, options.dtype));
    if (decoder_) check_token("bos_token_id", bos_);
    if (decoder_) check_token("sep_token_id", sep_);
  }

  // generate() of BLIP gives these ids to its decoder's, whatever the files say; flags still win.
  generate::GenerationConfig generation_config(const GenerationFlags& flags,
                                               std::vector<std::string>& warnings) const override {
    GenerationFlags all{{"eos-token-id", std::to_string(sep_)}, {"pad-token-id", std::to_string(pad_)}};
    all.insert(all.end(), flags.begin(), flags.end());
    return CaptionerBase::generation_config(all, warnings);
  }

 protected:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt, const generate::GenerationConfig&) override {
    refuse_task(prompt);
    if (prompt.text.empty()) return {bos_};
    std::vector<int64_t> ids = encoded(prompt.text);
    ids.front() = bos_;
    ids.pop_back();
    return ids;
  }

  // [CLS] text [SEP]
  std::vector<int64_t> encoded(const std::string& text) const {
    const tokenizer::Encoding encoding = tokenizer_.encode(text);
    if (encoding.ids.size() < 2) {
      throw Error(
          ErrorCode::kInvalidModel,
          dir_.string() + ": the tokenizer puts no special tokens around a prompt, as BLIP needs them");
    }
    return {encoding.ids.begin(), encoding.ids.end()};
  }

  int64_t bos() const { return bos_; }

 private:
  void check_token(const char* key, int64_t id) const {
    if (id >= 0 && id < decoder_->vocab()) return;
    throw Error(ErrorCode::kInvalidModel, (dir_ / "config.json").string() + ": text_config." + key + " is " +
                                              std::to_string(id) + ", but the decoder has " +
                                              std::to_string(decoder_->vocab()) + " tokens");
  }

  int64_t bos_ = 0;  // [DEC]
  int64_t sep_ = 0;  // [SEP]
  int64_t pad_ = 0;
};

// input_ids and encoder_hidden_states -> hidden states.
Role question_encoder_role() {
  return {"question encoder (input_ids, encoder_hidden_states -> hidden states)",
          {"text_encoder", "text_encoder_model", "question_encoder"},
          [](const onnx::GraphSignature& graph) -> std::string {
            for (const char* input : {"input_ids", "encoder_hidden_states"}) {
              if (!has_value(graph.inputs, input)) return std::string("lacks the input ") + input;
            }
            return has_value(graph.outputs, "logits") ? "has the output logits" : "";
          }};
}

class BlipAnswers : public Blip {
 public:
  BlipAnswers(const std::filesystem::path& dir, const nlohmann::json& config, session::Device& device,
              const LoadOptions& options, const OnnxFile& question_encoder)
      : Blip(dir, config, device, options),
        questions_(device, load_graph(question_encoder, options), passes_for(question_encoder, options)) {
    description_.push_back(describe_file("question encoder", question_encoder, options));
  }

  // Nothing beyond the image encoder is known before there is a question.
  void encode(const image::PixelValues& pixels) override { run_encoder({&pixels, 1}); }
  void prepare(const generate::GenerationConfig&) override { prepare_encoder(); }

 private:
  std::vector<int64_t> prompt_ids(const CaptionPrompt& prompt, const generate::GenerationConfig&) override {
    if (prompt.task != "vqa") refuse_task(prompt);
    if (prompt.text.empty()) {
      throw Error(ErrorCode::kUsage, dir_.string() + ": this model answers questions; ask one with --prompt");
    }
    return {bos()};
  }

  session::EncoderOutput decoder_states(const session::EncoderOutput& of_images,
                                        const CaptionPrompt& prompt) override;
  core::Tensor question_input(const graph::Value& input, const std::vector<int64_t>& ids,
                              const core::Tensor& images) const;
  std::vector<const plan::Plan*> plans() const override {
    std::vector<const plan::Plan*> all = Blip::plans();
    const auto own = questions_.plans();
    all.insert(all.end(), own.begin(), own.end());
    return all;
  }

  session::Session questions_;
};

// `count` ones of an integer or boolean dtype.
core::Tensor ones(core::DType dtype, core::Shape shape) {
  const size_t count = core::element_count(shape);
  if (dtype == core::DType::kI64)
    return core::Tensor::from(dtype, std::move(shape), std::vector<int64_t>(count, 1));
  if (dtype == core::DType::kI32)
    return core::Tensor::from(dtype, std::move(shape), std::vector<int32_t>(count, 1));
  return core::Tensor::from(dtype, std::move(shape), std::vector<uint8_t>(count, 1));
}

core::Tensor BlipAnswers::question_input(const graph::Value& input, const std::vector<int64_t>& ids,
                                         const core::Tensor& images) const {
  const int64_t count = images.shape().at(0);
  const core::Shape shape{count, int64_t(ids.size())};
  if (input.name == "encoder_hidden_states") return as_float(images, input.dtype);
  if (input.name == "attention_mask") return ones(input.dtype, shape);
  if (input.name == "encoder_attention_mask") return ones(input.dtype, {count, images.shape().at(1)});
  std::vector<int64_t> all;
  for (int64_t i = 0; i < count; ++i) all.insert(all.end(), ids.begin(), ids.end());
  if (input.name == "input_ids" && input.dtype == core::DType::kI32)
    return core::Tensor::from(input.dtype, shape, std::vector<int32_t>(all.begin(), all.end()));
  if (input.name == "input_ids") return core::Tensor::from(core::DType::kI64, shape, all);
  throw Error(ErrorCode::kInvalidModel,
              "the question encoder's input '" + input.name + "' has no known role");
}

session::EncoderOutput BlipAnswers::decoder_states(const session::EncoderOutput& of_images,
                                                   const CaptionPrompt& prompt) {
  const std::vector<int64_t> ids = encoded(prompt.text);
  const core::Tensor images = read_output(of_images);
  const graph::Graph& graph = questions_.graph();
  session::NamedTensors inputs;
  for (graph::ValueId id : graph.inputs) {
    const graph::Value& input = graph.value(id);
    inputs[input.name] = question_input(input, ids, images);
  }
  session::Program& program = questions_.prepare(inputs);
  program.run();
  return output_of(program, hidden_states_of(graph));
}

}  // namespace

std::unique_ptr<Captioner> load_blip(const std::filesystem::path& dir, const nlohmann::json& config,
                                     session::Device& device, const LoadOptions& options) {
  const auto questions = ModelFiles(dir, options.dtype).find(question_encoder_role());
  if (questions && !options.encoder_only)
    return std::make_unique<BlipAnswers>(dir, config, device, options, *questions);
  return std::make_unique<Blip>(dir, config, device, options);
}

}  // namespace vulcap::loader
