// Folders without tokenizer.json: vocab.txt, vocab.json with merges.txt, or sentencepiece models become the
// stages that transformers 4.57 makes of them (convert_slow_tokenizer.py).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/tokenizer_config.h"

namespace vulcap::tokenizer {

// The contents of a tokenizer.json for the folder. The class is that of tokenizer_config.json, else the one
// that config.json's tokenizer_class or model_type leads to, else the usual one for the files. Completes
// `config` with the class and its default special tokens. Throws core::Error(kInvalidModel): no vocabulary
// file, a class that has no conversion, a damaged file, special tokens outside the vocabulary.
Json convert_files(const std::filesystem::path& folder, TokenizerConfig& config);

// --- for the converters ---

struct ConversionSource {
  const std::filesystem::path& folder;
  TokenizerConfig& config;

  // Content of "cls_token" etc. Throws when the tokenizer has none.
  std::string special(const std::string& role) const;
  // A boolean of tokenizer_config.json.
  bool flag(const char* name, bool fallback) const;
};

using Converter = Json (*)(const ConversionSource&);

Json convert_wordpiece(const ConversionSource& source);   // BERT and relatives, vocab.txt
Json convert_byte_level(const ConversionSource& source);  // GPT-2, RoBERTa, CLIP ...: vocab.json, merges.txt
Json convert_sentencepiece(const ConversionSource& source);  // T5, ALBERT, XLM-R, LLaMA ...
Json convert_marian(const ConversionSource& source);         // source.spm and vocab.json
Json convert_siglip(const ConversionSource& source);         // spiece.model

// Id of a token by the vocabulary.
using IdOf = std::function<std::uint32_t(const std::string& token)>;

// A TemplateProcessing stage of "[CLS]:0 $A:0 [SEP]:0"; type 0 where none is written.
Json template_stage(std::string_view single, std::string_view pair, const IdOf& id_of);
Json sequence_stage(const char* parts_name, Json parts);
Json replace_stage(const char* kind, const std::string& pattern, const std::string& content);
Json byte_level_stage(bool add_prefix_space, bool trim_offsets, bool use_regex);

}  // namespace vulcap::tokenizer
