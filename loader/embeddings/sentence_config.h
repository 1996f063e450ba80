// The settings of a sentence-transformers folder (5.1): modules.json and what it points to,
// sentence_bert_config.json and config_sentence_transformers.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "loader/embeddings/dense.h"
#include "loader/embeddings/embedding.h"
#include "loader/embeddings/pooling.h"

namespace vulcap::loader {

struct NormalizeModule {};
// What follows the transformer, in order.
using SentenceModule = std::variant<PoolingConfig, NormalizeModule, Dense>;

struct SentenceConfig {
  bool has_modules = false;               // modules.json is there; else modules is mean pooling
  std::filesystem::path transformer_dir;  // config.json, tokenizer and graphs
  std::optional<int64_t> max_seq_length;  // special tokens included
  bool do_lower_case = false;
  std::vector<SentenceModule> modules;
  std::map<std::string, std::string> prompts;  // by name
  std::optional<std::string> default_prompt_name;
  Similarity similarity = Similarity::kCosine;
  std::vector<std::string> warnings;
};

// Throws core::Error(kInvalidModel) beginning with the file: a module class that is not known, a field of the
// wrong type, a module's file that is missing.
SentenceConfig read_sentence_config(const std::filesystem::path& dir);

}  // namespace vulcap::loader
