// Encoder-decoder language models (T5, BART, Marian and their relatives): the prompt's tokens -> hidden
// states -> text by cross-attention. Follows transformers 4.57 generate; files in optimum's layout. Batches
// are padded on the right and the padding is masked in the encoder and in cross-attention.
#include <algorithm>

#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "loader/families/text_generator_base.h"
#include "runtime/core/error.h"
#include "runtime/session/session.h"

namespace vulcap::loader {
namespace {

Role text_encoder_role() {
  return {"text encoder (input_ids -> hidden states)",
          {"encoder_model"},
          [](const onnx::GraphSignature& graph) -> std::string {
            if (!has_value(graph.inputs, "input_ids")) return "lacks the input input_ids";
            if (has_value(graph.inputs, "encoder_hidden_states")) return "reads an encoder's output";
            if (has_value(graph.outputs, "logits")) return "has the output logits";
            return has_value(graph.outputs, "last_hidden_state") ? "" : "lacks the output last_hidden_state";
          }};
}

class Seq2SeqLm : public TextGeneratorBase {
 public:
  Seq2SeqLm(const std::filesystem::path& dir, const nlohmann::json& config, const ModelFiles& files,
            session::Device& device, const LoadOptions& options)
      : TextGeneratorBase(dir, config, options) {
    positions_ = first_integer(config, {"max_position_embeddings"}).value_or(0);
    const OnnxFile encoder = files.require(text_encoder_role());
    encoder_ = std::make_unique<session::Session>(device, load_graph(encoder, options),
                                                  passes_for(encoder, options));
    description_.push_back(describe_file("encoder", encoder, options));
    if (!encoder.remark.empty()) remarks_.push_back(encoder.remark);
    load_decoder(device, files, {.cross_attention = true});
  }

  bool continues_prompts() const override { return false; }

 private:
  tokenizer::Side padding_side() const override { return tokenizer::Side::kRight; }
  std::vector<int64_t> empty_prompt(const generate::GenerationConfig& config) const override;
  void check_lengths(const TokenBatch& batch, const generate::Lengths& lengths) override;
  generate::Prompts make_prompts(const TokenBatch& batch, const generate::GenerationConfig& config) override;
  void start(const TokenBatch& batch, const generate::GenerationConfig& config) override;
  std::vector<const plan::Plan*> plans() const override;

  core::Tensor encoder_input(const graph::Value& input, const TokenBatch& batch) const;

  std::unique_ptr<session::Session> encoder_;
  int64_t positions_ = 0;  // of the tables of positions; 0: none told
};

std::vector<int64_t> Seq2SeqLm::empty_prompt(const generate::GenerationConfig&) const {
  throw core::Error(core::ErrorCode::kUsage, "the prompt has no tokens; give the encoder something to read");
}

void Seq2SeqLm::check_lengths(const TokenBatch& batch, const generate::Lengths& lengths) {
  if (positions_ == 0) return;
  const auto prompt = int64_t(batch.ids.at(0).size());
  if (prompt > positions_) {
    throw core::Error(core::ErrorCode::kUsage, "the prompt has " + std::to_string(prompt) +
                                                   " tokens but the model " + std::to_string(positions_) +
                                                   " positions; shorten it");
  }
  if (lengths.max > positions_) {
    throw core::Error(core::ErrorCode::kUsage, "an answer of up to " + std::to_string(lengths.max) +
                                                   " tokens is longer than the " +
                                                   std::to_string(positions_) +
                                                   " positions of the model; ask for fewer with "
                                                   "--max-new-tokens");
  }
}

generate::Prompts Seq2SeqLm::make_prompts(const TokenBatch& batch, const generate::GenerationConfig& config) {
  const auto start = config.decoder_start_token_id ? config.decoder_start_token_id : config.bos_token_id;
  if (!start) {
    throw core::Error(
        core::ErrorCode::kInvalidModel,
        dir_.string() +
            ": neither generation_config.json nor config.json names decoder_start_token_id or bos_token_id");
  }
  return {std::vector<std::vector<int64_t>>(batch.ids.size(), {*start}), batch.ids};
}

// i64 or i32[prompts, length]: tokens, or 1 where a position counts.
core::Tensor Seq2SeqLm::encoder_input(const graph::Value& input, const TokenBatch& batch) const {
  const bool mask = input.name == "attention_mask";
  if (!mask && input.name != "input_ids") {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir_.string() + ": the encoder's input '" + input.name + "' has no known role");
  }
  const core::Shape shape{int64_t(batch.ids.size()), int64_t(batch.ids[0].size())};
  core::Tensor tensor(input.dtype, shape);
  size_t at = 0;
  for (size_t row = 0; row < batch.ids.size(); ++row) {
    const size_t length = batch.ids[row].size() - size_t(batch.padding[row]);
    for (size_t i = 0; i < batch.ids[row].size(); ++i, ++at) {
      const int64_t value = mask ? int64_t(i < length) : batch.ids[row][i];
      if (input.dtype == core::DType::kI32) {
        tensor.mutable_as<int32_t>()[at] = int32_t(value);
      } else {
        tensor.mutable_as<int64_t>()[at] = value;
      }
    }
  }
  return tensor;
}

void Seq2SeqLm::start(const TokenBatch& batch, const generate::GenerationConfig&) {
  session::NamedTensors inputs;
  for (const graph::ValueId id : encoder_->graph().inputs) {
    const graph::Value& input = encoder_->graph().value(id);
    inputs[input.name] = encoder_input(input, batch);
  }
  session::Program& program = encoder_->prepare(inputs);
  program.run();
  session::EncoderOutput states = output_of(program, "last_hidden_state");
  for (size_t row = 0; batch.padded() && row < batch.ids.size(); ++row) {
    const auto length = std::ptrdiff_t(batch.ids[0].size()) - batch.padding[row];
    states.mask.resize(row * batch.ids[0].size() + size_t(length), 1);
    states.mask.resize((row + 1) * batch.ids[0].size(), 0);
  }
  decoder_->start(std::move(states));
}

std::vector<const plan::Plan*> Seq2SeqLm::plans() const {
  auto plans = encoder_->plans();
  const auto decoder = decoder_->plans();
  plans.insert(plans.end(), decoder.begin(), decoder.end());
  return plans;
}

}  // namespace

std::unique_ptr<TextGenerator> load_seq2seq_lm(const std::filesystem::path& dir, const nlohmann::json& config,
                                               const ModelFiles& files, session::Device& device,
                                               const LoadOptions& options) {
  return std::make_unique<Seq2SeqLm>(dir, config, files, device, options);
}

}  // namespace vulcap::loader
