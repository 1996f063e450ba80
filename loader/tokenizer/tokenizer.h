// Text <-> token ids from the files of a model folder, as transformers 4.57 with tokenizers 0.22 does it.
//
// Stages, one file a kind:  normalizer -> added_tokens -> pre_tokenizer -> model (bpe, wordpiece, unigram,
//                           wordlevel) -> post_processor;  back: decoder -> clean-up.
// Without tokenizer.json: conversion makes the stages of vocab.txt, vocab.json with merges.txt or a
// sentencepiece model.
// Not supported (core::Error(kInvalidModel) at load): BPE dropout, which makes tokens random; pre-tokenizer
// UnicodeScripts; negated nested classes and && in regular expressions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/tokenizer/encoding.h"

namespace vulcap::tokenizer {

struct EncodeOptions {
  bool add_special_tokens = true;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
};

class Tokenizer {
 public:
  // Reads tokenizer.json, or where it is absent the files that it is made of (see conversion.h); then
  // tokenizer_config.json and special_tokens_map.json where present. Throws core::Error(kInvalidModel) with
  // the place of what is wrong.
  static Tokenizer load(const std::filesystem::path& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Truncation and padding as tokenizer.json states them. All encode functions throw core::Error(kRuntime)
  // for text that is not UTF-8. They may be called from several threads. An empty second text counts as none,
  // as in transformers.
  Encoding encode(std::string_view text, bool add_special_tokens = true) const;
  Encoding encode_pair(std::string_view first, std::string_view second, bool add_special_tokens = true) const;

  // Truncation and padding as given; those of the file are not used.
  Encoding encode(std::string_view text, const EncodeOptions& options) const;
  Encoding encode_pair(std::string_view first, std::string_view second, const EncodeOptions& options) const;
  std::vector<Encoding> encode_batch(std::span<const std::string> texts, const EncodeOptions& options) const;

  // What the file states; add_special_tokens is true.
  const EncodeOptions& file_options() const;
  // Padding with the pad token and padding_side of the folder; empty when it names no pad token.
  std::optional<Padding> default_padding() const;

  // Tokens that the model reads at most, special ones included; empty: the folder states no limit.
  std::optional<std::size_t> model_max_length() const;
  Side padding_side() const;
  Side truncation_side() const;
  // Whether tokens inside a word look different from those that begin one ("##ing").
  bool marks_subwords() const;

  // Ids that no token has are left out, as in the reference. Without a value, clean-up follows
  // tokenizer_config.json (off when it says nothing).
  std::string decode(std::span<const std::uint32_t> ids, bool skip_special_tokens = true,
                     std::optional<bool> clean_up_tokenization_spaces = std::nullopt) const;
  std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true,
                     std::optional<bool> clean_up_tokenization_spaces = std::nullopt) const;

  // Tokens as text, without clean-up: transformers' convert_tokens_to_string.
  std::string join_tokens(std::vector<std::string> tokens) const;

  std::optional<std::uint32_t> id_of(std::string_view token) const;
  std::optional<std::string> token_of(std::uint32_t id) const;
  bool is_special(std::uint32_t id) const;
  // Id of "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token" or "mask_token".
  std::optional<std::uint32_t> special_id(std::string_view role) const;
  bool clean_up_by_default() const;
  std::size_t vocab_size() const;  // added tokens included

 private:
  struct State;
  // Special tokens part the text: a space behind each, or ahead of each that follows text.
  std::string join_parted(const std::vector<std::string>& tokens, bool space_behind) const;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace vulcap::tokenizer
