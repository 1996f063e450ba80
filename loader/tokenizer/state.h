// The stages of one tokenizer. Private to loader/tokenizer.
#pragma once

#include "loader/tokenizer/added_tokens.h"
#include "loader/tokenizer/decoder.h"
#include "loader/tokenizer/model.h"
#include "loader/tokenizer/normalizer.h"
#include "loader/tokenizer/post_processor.h"
#include "loader/tokenizer/pre_tokenizer.h"
#include "loader/tokenizer/tokenizer.h"
#include "loader/tokenizer/tokenizer_config.h"

namespace vulcap::tokenizer {

struct Tokenizer::State {
  TokenizerConfig config;
  std::unique_ptr<Normalizer> normalizer;  // may be null
  AddedTokens added_tokens;
  std::unique_ptr<PreTokenizer> pre_tokenizer;    // may be null
  std::unique_ptr<Model> model;                   // never null
  std::unique_ptr<PostProcessor> post_processor;  // may be null
  std::unique_ptr<Decoder> decoder;               // may be null
  std::string end_of_word_suffix;                 // of a BPE model
  EncodeOptions file_options;

  Encoding encode_text(std::string_view text, std::uint32_t type_id) const;
  Encoding encode_texts(std::vector<std::string_view> texts, const EncodeOptions& options) const;
  std::optional<std::uint32_t> id_of(std::string_view token) const;
  const std::string* token_of(std::uint32_t id) const;
};

}  // namespace vulcap::tokenizer
