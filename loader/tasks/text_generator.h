// Text -> text: continuations by decoder-only models, answers by encoder-decoder models.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "loader/tasks/load_options.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/generate/config.h"
#include "runtime/session/program.h"

namespace vulcap::loader {

// A new token and what it was chosen from.
struct ChosenToken {
  int64_t id = 0;
  float score = 0;                                // processed, as transformers' `scores` hold it
  std::vector<std::pair<int64_t, float>> likely;  // the best tokens with their scores, best first
};

struct GeneratedText {
  std::string text;              // of `ids`, without special tokens; begins with the prompt where `ids` do
  std::string new_text;          // what stands behind the prompt
  std::vector<int64_t> ids;      // as transformers.generate returns them: prompt or start token, and padding
  std::vector<int64_t> new_ids;  // without prompt, start token and padding
  std::optional<float> score;
  std::vector<ChosenToken> tokens;  // only when asked for; not in beam search
};

// Seconds.
struct TextTiming {
  double encode = 0;          // encoder-decoder models: the encoder
  double prefill = 0;         // the prompts
  std::vector<double> steps;  // one a token of every row
  double total = 0;
};

struct TextRequest {
  std::vector<std::string> prompts;  // run as one batch
  bool add_special_tokens = true;    // as the tokenizer adds them; not for prompts of a chat template
  size_t likely = 0;                 // entries of ChosenToken::likely; 0: GeneratedText::tokens stay empty
  // Pieces of the first prompt's new text as they come (greedy and sampling); may be empty.
  std::function<void(const std::string&)> on_text;
};

struct TextResult {
  std::vector<std::vector<GeneratedText>> texts;  // of each prompt num_return_sequences, best first
  TextTiming timing;
  std::vector<std::string> warnings;  // advice of this run, one line each
};

class TextGenerator {
 public:
  virtual ~TextGenerator() = default;

  // The folder's settings with `flags` over them; lines for fields that are not honoured go to `warnings`.
  virtual generate::GenerationConfig generation_config(const GenerationFlags& flags,
                                                       std::vector<std::string>& warnings) const = 0;
  // Throws core::Error: kUsage for prompts that the model cannot take.
  virtual TextResult generate(const TextRequest& request, const generate::GenerationConfig& config) = 0;

  virtual const tokenizer::Tokenizer& tokenizer() const = 0;
  // Decoder-only models: sequences begin with the prompt.
  virtual bool continues_prompts() const = 0;
  // Files in use, "role: path (dtype)", and remarks about the folder's settings.
  virtual std::vector<std::string> description() const = 0;
  virtual std::vector<std::string> warnings() const = 0;
  // In the plans of the last run.
  virtual Fallbacks fallbacks() const = 0;
};

// An encoder-decoder model where the folder's graphs are one, else a decoder alone. Throws
// core::Error(kInvalidModel) for a folder that cannot be used.
std::unique_ptr<TextGenerator> load_text_generator(const std::filesystem::path& dir, session::Device& device,
                                                   const LoadOptions& options);

}  // namespace vulcap::loader
