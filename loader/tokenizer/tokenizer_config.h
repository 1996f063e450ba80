// tokenizer_config.json and special_tokens_map.json: what transformers 4.57 lays over tokenizer.json.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loader/tokenizer/added_tokens.h"
#include "loader/tokenizer/json_fields.h"

namespace vulcap::tokenizer {

// "bos_token", "eos_token", ...: in the order in which transformers adds tokens that are new.
inline constexpr std::array<const char*, 7> kSpecialRoles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// What a tokenizer class of transformers does to the decoded text.
enum class DecodeRule {
  kNone,
  kClip,     // end_of_word_suffix becomes a space, the ends are stripped
  kWhisper,  // <|0.00|> time stamps are removed
  kMarian,   // special tokens part the text and a space follows each, the ends are stripped
  kSiglip,   // the same, with a space ahead of each that follows text
};

struct TokenizerConfig {
  bool exists = false;          // there is a tokenizer_config.json
  std::string tokenizer_class;  // without the suffix "Fast"; empty when not stated
  bool clean_up_tokenization_spaces = false;
  bool pads_on_left = false;                    // "padding_side": "left"
  bool truncates_on_left = false;               // "truncation_side": "left"
  std::optional<std::size_t> model_max_length;  // empty also for the huge number that stands for "no limit"
  bool split_special_tokens = false;            // special tokens in the text are plain text
  std::map<std::string, AddedToken>
      special;                          // by role: "bos_token", "eos_token", ...; ids are not known here
  std::set<std::string> plain_special;  // roles whose token was given as a plain string
  std::vector<AddedToken> additional_special;    // "additional_special_tokens"
  std::vector<AddedToken> added_tokens_decoder;  // by rising id
  std::optional<bool> add_prefix_space;
  std::optional<bool> do_lower_case;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<bool> strip_accents;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  Json fields = Json::object();  // tokenizer_config.json as it is, for settings of single classes

  DecodeRule decode_rule() const;
};

// Both files may be absent. Throws core::Error(kInvalidModel) for ill-typed fields; unknown fields are of no
// concern.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

// Changes the stages of tokenizer.json as the tokenizer class does in its constructor: add_prefix_space of
// ByteLevel, the switches of BertNormalizer, the bos/eos template of LLaMA, Gemma and GPT-NeoX.
void apply_class_rules(const TokenizerConfig& config, Json& tokenizer);

}  // namespace vulcap::tokenizer
