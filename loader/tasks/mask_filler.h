// Text with masked tokens -> what stands there: the pipeline fill-mask of transformers 4.57.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "loader/families/text_encoder.h"

namespace vulcap::loader {

struct MaskFill {
  float score = 0;
  std::int64_t token = 0;
  std::string token_text;
  std::string sequence;  // the text with this token in place of the mask
};

struct FillOptions {
  size_t top_k = 5;
  std::vector<std::string> targets;  // only these tokens are scored; empty: all
  TokenizeOptions tokenize;
};

// A folder with a graph of logits f[batch, length, vocabulary].
class MaskFiller : public TextTask {
 public:
  // Throws core::Error(kInvalidModel) for a tokenizer without a mask token.
  MaskFiller(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options);

  // One list a mask, best first. With several masks, the sequences keep special tokens. Throws core::Error:
  // kRuntime for a text without a mask, kUsage where no target is left.
  std::vector<std::vector<MaskFill>> fill(const std::string& text, const FillOptions& options);
  // "[MASK]".
  std::string mask_token() const;
  // Also which targets stand for another token or for none.
  std::vector<std::string> warnings() const override;

 private:
  std::vector<std::int64_t> target_ids(const std::vector<std::string>& targets);
  // The ids that are scored, rising; all of the vocabulary where no targets are named.
  std::vector<std::int64_t> candidates(const std::vector<std::string>& targets, size_t vocabulary);
  MaskFill filled(const tokenizer::Encoding& encoding, size_t place, std::int64_t id,
                  bool skip_special_tokens) const;

  std::uint32_t mask_ = 0;
  std::vector<std::string> remarks_;
};

}  // namespace vulcap::loader
