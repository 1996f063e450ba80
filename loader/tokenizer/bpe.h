// Byte-pair encoding. Follows models/bpe of Hugging Face tokenizers 0.22.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/tokenizer/model.h"

namespace vulcap::tokenizer {

struct BpeOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;  // a word that is a token is not merged
};

using MergeList = std::vector<std::pair<std::string, std::string>>;  // best rank first

// Throws core::Error(kInvalidModel): missing or ill-typed fields, merges outside the vocabulary, dropout
// other than 0.
std::unique_ptr<Model> make_bpe(const Fields& fields);
std::unique_ptr<Model> make_bpe(Vocabulary vocabulary, const MergeList& merges, BpeOptions options,
                                const std::string& where);

// "a b" -> {a, b}.
std::pair<std::string, std::string> split_merge(const std::string& line, const std::string& where);

}  // namespace vulcap::tokenizer
