// Decoder-only language models (GPT-2, LLaMA, Qwen, BLOOM and all others): ids and a cache -> logits. Follows
// transformers 4.57 generate and TextGenerationPipeline; graphs of optimum, torch's exporter and
// onnxruntime-genai's builder. Batches are padded on the left, whatever side the tokenizer prefers.
#include <algorithm>

#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "loader/families/text_generator_base.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

// Positions are computed, so the model can be asked to go on where its training ended.
bool computes_positions(const nlohmann::json& config) {
  constexpr const char* kRotary[] = {"rope_theta", "rope_scaling", "rope_parameters",
                                     "rotary_dim", "rotary_pct",   "rotary_emb_base"};
  return std::any_of(std::begin(kRotary), std::end(kRotary),
                     [&](const char* key) { return config.contains(key); });
}

class CausalLm : public TextGeneratorBase {
 public:
  CausalLm(const std::filesystem::path& dir, const nlohmann::json& config, const ModelFiles& files,
           session::Device& device, const LoadOptions& options)
      : TextGeneratorBase(dir, config, options) {
    const nlohmann::json& text = section(config, "text_config");
    positions_ = first_integer(text, {"n_positions", "max_position_embeddings", "n_ctx"}).value_or(0);
    computes_positions_ = computes_positions(text);
    load_decoder(device, files, {});
  }

  bool continues_prompts() const override { return true; }

 private:
  tokenizer::Side padding_side() const override { return tokenizer::Side::kLeft; }
  std::vector<int64_t> empty_prompt(const generate::GenerationConfig& config) const override;
  void check_lengths(const TokenBatch& batch, const generate::Lengths& lengths) override;
  generate::Prompts make_prompts(const TokenBatch& batch, const generate::GenerationConfig&) override {
    return {batch.ids, batch.ids};
  }
  void start(const TokenBatch& batch, const generate::GenerationConfig&) override {
    decoder_->start({}, batch.padding);
  }

  int64_t positions_ = 0;  // that the model was trained for; 0: not told
  bool computes_positions_ = false;
};

std::vector<int64_t> CausalLm::empty_prompt(const generate::GenerationConfig& config) const {
  if (config.bos_token_id) return {*config.bos_token_id};
  throw core::Error(core::ErrorCode::kUsage,
                    "the prompt has no tokens and " + dir_.string() +
                        " names no bos_token_id to start from; give a prompt or --bos-token-id");
}

void CausalLm::check_lengths(const TokenBatch& batch, const generate::Lengths& lengths) {
  for (const std::vector<int64_t>& ids : batch.ids) {
    const int64_t largest = *std::max_element(ids.begin(), ids.end());
    if (largest < decoder_->vocab()) continue;
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir_.string() + ": the tokenizer gives token " + std::to_string(largest) +
                          " but the decoder knows " + std::to_string(decoder_->vocab()) +
                          "; tokenizer and graph are of different models");
  }
  if (positions_ == 0 || lengths.max <= positions_) return;
  const std::string told = std::to_string(lengths.prompt) + " tokens of the prompt and up to " +
                           std::to_string(lengths.max - lengths.prompt) + " new ones are more than the " +
                           std::to_string(positions_) + " positions of the model";
  if (!computes_positions_) {
    throw core::Error(core::ErrorCode::kUsage, told + "; ask for fewer with --max-new-tokens");
  }
  const std::string remark = told + "; what lies behind them may be poor";
  if (std::find(remarks_.begin(), remarks_.end(), remark) == remarks_.end()) remarks_.push_back(remark);
}

}  // namespace

std::unique_ptr<TextGenerator> load_causal_lm(const std::filesystem::path& dir, const nlohmann::json& config,
                                              const ModelFiles& files, session::Device& device,
                                              const LoadOptions& options) {
  return std::make_unique<CausalLm>(dir, config, files, device, options);
}

}  // namespace vulcap::loader
