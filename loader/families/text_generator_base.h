// What text-generating families share: settings, tokenizer, decoder, the run and its texts. A family says
// how prompts become the decoder's.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "loader/generation/run_generation.h"
#include "loader/generation/text_decoder.h"
#include "loader/generation_config.h"
#include "loader/model_dir.h"
#include "loader/tasks/text_generator.h"

namespace vulcap::loader {

// Rows of equal length and how many positions of each, at its front or back, are padding.
struct TokenBatch {
  std::vector<std::vector<int64_t>> ids;
  std::vector<int32_t> padding;

  bool padded() const;
};

class TextGeneratorBase : public TextGenerator {
 public:
  generate::GenerationConfig generation_config(const GenerationFlags& flags,
                                               std::vector<std::string>& warnings) const override;
  TextResult generate(const TextRequest& request, const generate::GenerationConfig& config) override;
  const tokenizer::Tokenizer& tokenizer() const override { return tokenizer_; }
  std::vector<std::string> description() const override;
  std::vector<std::string> warnings() const override;
  Fallbacks fallbacks() const override;

 protected:
  TextGeneratorBase(const std::filesystem::path& dir, const nlohmann::json& config,
                    const LoadOptions& options);

  // --- what a family says ---
  // What generate() starts from, given the prompts' tokens.
  virtual generate::Prompts make_prompts(const TokenBatch& batch,
                                         const generate::GenerationConfig& config) = 0;
  // Starts the decoder, which has room for all positions.
  virtual void start(const TokenBatch& batch, const generate::GenerationConfig& config) = 0;
  // What an empty prompt stands for. Throws core::Error(kUsage) where that is nothing.
  virtual std::vector<int64_t> empty_prompt(const generate::GenerationConfig& config) const = 0;
  virtual tokenizer::Side padding_side() const = 0;
  virtual std::vector<const plan::Plan*> plans() const { return decoder_->plans(); }
  // Throws core::Error(kUsage) where prompts are longer than the model.
  virtual void check_lengths(const TokenBatch& batch, const generate::Lengths& lengths) = 0;

  // --- what families use ---
  void load_decoder(session::Device& device, const ModelFiles& files, const DecoderNeeds& needs);

  std::filesystem::path dir_;
  LoadOptions options_;
  tokenizer::Tokenizer tokenizer_;
  GenerationSources sources_;
  std::unique_ptr<TextDecoder> decoder_;
  std::vector<std::string> remarks_;
  std::vector<std::string> description_;

 private:
  TokenBatch tokenize(const TextRequest& request, const generate::GenerationConfig& config) const;
  int64_t padding_id(const generate::GenerationConfig& config) const;
  // Lines of advice go to `warnings`.
  GenerationRun make_run(const TextRequest& request, std::vector<std::string>& warnings);
  GeneratedText make_text(generate::Sequence sequence, size_t prompt) const;
};

}  // namespace vulcap::loader
