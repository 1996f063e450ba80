#include "loader/tokenizer/tokenizer_config.h"

#include <algorithm>

namespace vulcap::tokenizer {
namespace {

// "<s>" or {"content": "<s>", "lstrip": false, ...}
AddedToken read_special_token(const Json& json, const std::string& where) {
  AddedToken token;
  token.special = true;
  token.normalized = false;
  if (json.is_string()) {
    token.content = json.get<std::string>();
    return token;
  }
  const Fields fields(json, where);
  token.content = fields.string("content");
  token.single_word = fields.boolean_or("single_word", false);
  token.lstrip = fields.boolean_or("lstrip", false);
  token.rstrip = fields.boolean_or("rstrip", false);
  token.normalized = fields.boolean_or("normalized", false);
  return token;
}

void read_special_tokens(const Fields& fields, TokenizerConfig& config) {
  for (const char* role : kSpecialRoles) {
    if (!fields.has(role) || config.special.count(role)) continue;
    if (fields.require(role).is_string()) config.plain_special.insert(role);
    config.special.emplace(role, read_special_token(fields.require(role), fields.where() + "." + role));
  }
  if (!config.additional_special.empty() || !fields.has("additional_special_tokens")) return;
  const Json& list = fields.require("additional_special_tokens");
  if (!list.is_array()) return;
  for (const Json& one : list) {
    config.additional_special.push_back(
        read_special_token(one, fields.where() + ".additional_special_tokens"));
  }
}

std::uint32_t read_id(const std::string& text, const Fields& fields) {
  const bool is_number =
      !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) fields.fail("id '" + text + "' is not a number");
  return static_cast<std::uint32_t>(std::stoul(text));
}

bool by_id(const AddedToken& a, const AddedToken& b) { return a.id < b.id; }

void read_added_tokens_decoder(const Fields& fields, TokenizerConfig& config) {
  if (!fields.has("added_tokens_decoder")) return;
  const Fields list = fields.object("added_tokens_decoder");
  for (const auto& item : fields.require("added_tokens_decoder").items()) {
    const Fields one = list.object(item.key().c_str());
    AddedToken token = read_special_token(item.value(), one.where());
    token.special = one.boolean_or("special", false);
    token.normalized = one.boolean_or("normalized", !token.special);
    token.id = read_id(item.key(), list);
    config.added_tokens_decoder.push_back(std::move(token));
  }
  std::sort(config.added_tokens_decoder.begin(), config.added_tokens_decoder.end(), by_id);
}

// added_tokens.json of older folders: {token: id}, where tokenizer_config.json lists none.
void read_added_tokens(const std::filesystem::path& folder, TokenizerConfig& config) {
  const std::filesystem::path path = folder / "added_tokens.json";
  if (!config.added_tokens_decoder.empty() || !std::filesystem::exists(path)) return;
  const Json json = read_json_file(path);
  const Fields fields(json, "added_tokens.json");
  for (const auto& item : json.items()) {
    AddedToken token;
    token.content = item.key();
    token.id = fields.uint32(item.key().c_str());
    token.special = std::any_of(config.special.begin(), config.special.end(),
                                [&](const auto& one) { return one.second.content == token.content; });
    token.normalized = !token.special;
    config.added_tokens_decoder.push_back(std::move(token));
  }
  std::sort(config.added_tokens_decoder.begin(), config.added_tokens_decoder.end(), by_id);
}

std::optional<bool> optional_boolean(const Fields& fields, const char* name) {
  if (!fields.has(name)) return std::nullopt;
  return fields.boolean(name);
}

// Above 1e20 transformers counts a length as none.
std::optional<std::size_t> read_length(const Fields& fields, const char* name) {
  if (!fields.has(name)) return std::nullopt;
  const Json& value = fields.require(name);
  if (!value.is_number()) fields.fail(std::string("field '") + name + "' must be a number");
  const double length = value.get<double>();
  if (length < 0) fields.fail(std::string("field '") + name + "' is negative");
  return length > 1e20 ? std::nullopt : std::optional(std::size_t(std::min(length, 9e15)));
}

void read_main_file(const Json& json, TokenizerConfig& config) {
  const Fields fields(json, "tokenizer_config.json");
  config.exists = true;
  config.fields = json;
  config.tokenizer_class = fields.string_or("tokenizer_class", "");
  if (config.tokenizer_class.ends_with("Fast"))
    config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  config.clean_up_tokenization_spaces = fields.boolean_or("clean_up_tokenization_spaces", false);
  config.split_special_tokens = fields.boolean_or("split_special_tokens", false);
  const bool left_by_class =
      config.tokenizer_class == "LlamaTokenizer" || config.tokenizer_class == "GemmaTokenizer";
  config.pads_on_left = fields.string_or("padding_side", left_by_class ? "left" : "right") == "left";
  config.truncates_on_left = fields.string_or("truncation_side", "right") == "left";
  config.model_max_length = read_length(fields, "model_max_length");
  config.add_prefix_space = optional_boolean(fields, "add_prefix_space");
  config.do_lower_case = optional_boolean(fields, "do_lower_case");
  config.tokenize_chinese_chars = optional_boolean(fields, "tokenize_chinese_chars");
  config.strip_accents = optional_boolean(fields, "strip_accents");
  config.add_bos_token = optional_boolean(fields, "add_bos_token");
  config.add_eos_token = optional_boolean(fields, "add_eos_token");
  read_special_tokens(fields, config);
  read_added_tokens_decoder(fields, config);
}

bool has_type(const Json& tokenizer, const char* stage, const char* type) {
  const auto it = tokenizer.find(stage);
  if (it == tokenizer.end() || !it->is_object()) return false;
  const auto found = it->find("type");
  return found != it->end() && *found == type;
}

// Id of a token by the files alone: added tokens first, then the vocabulary.
Json id_in_files(const Json& tokenizer, const std::string& content) {
  const auto added = tokenizer.find("added_tokens");
  if (added != tokenizer.end() && added->is_array()) {
    for (const Json& token : *added) {
      if (token.is_object() && token.contains("content") && token["content"] == content &&
          token.contains("id")) {
        return token["id"];
      }
    }
  }
  const Json::json_pointer place = Json::json_pointer("/model/vocab");
  if (!tokenizer.contains(place)) return nullptr;
  const Json& vocabulary = tokenizer[place];
  if (vocabulary.is_object()) return vocabulary.value(content, Json(nullptr));
  for (std::size_t id = 0; vocabulary.is_array() && id < vocabulary.size(); ++id) {
    if (vocabulary[id].is_array() && !vocabulary[id].empty() && vocabulary[id][0] == content) return id;
  }
  return nullptr;
}

Json template_piece(const char* kind, const std::string& id, int type_id) {
  return {{kind, {{"id", id}, {"type_id", type_id}}}};
}

// [bos] A [eos] [bos] B [eos]
void set_bos_eos_template(const TokenizerConfig& config, bool default_bos, Json& tokenizer) {
  Json single = Json::array();
  Json pair = Json::array();
  Json specials = Json::object();
  const auto put = [&](const char* role, bool wanted, Json& list, int type_id) {
    const auto token = config.special.find(role);
    if (!wanted || token == config.special.end()) return;
    const std::string& content = token->second.content;
    list.push_back(template_piece("SpecialToken", content, type_id));
    specials[content] = {{"id", content}, {"ids", {id_in_files(tokenizer, content)}}, {"tokens", {content}}};
  };
  const bool bos = config.add_bos_token.value_or(default_bos);
  const bool eos = config.add_eos_token.value_or(false);
  for (int i = 0; i < 2; ++i) {
    Json part = Json::array();
    put("bos_token", bos, part, i);
    part.push_back(template_piece("Sequence", i == 0 ? "A" : "B", i));
    put("eos_token", eos, part, i);
    if (i == 0) single = part;
    pair.insert(pair.end(), part.begin(), part.end());
  }
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
}

void apply_bert_rules(const TokenizerConfig& config, Json& tokenizer) {
  if (config.tokenizer_class == "PreTrainedTokenizer" || !has_type(tokenizer, "normalizer", "BertNormalizer"))
    return;
  Json& normalizer = tokenizer["normalizer"];
  if (config.do_lower_case) normalizer["lowercase"] = *config.do_lower_case;
  if (config.tokenize_chinese_chars) normalizer["handle_chinese_chars"] = *config.tokenize_chinese_chars;
  if (config.strip_accents) normalizer["strip_accents"] = *config.strip_accents;
}

// RoBERTa and its kin lay their own arguments over the post-processor.
void apply_roberta_rules(const TokenizerConfig& config, Json& tokenizer) {
  constexpr std::string_view kClasses[] = {"BartTokenizer",   "BlenderbotTokenizer", "LayoutLMv3Tokenizer",
                                           "LEDTokenizer",    "LongformerTokenizer", "MvpTokenizer",
                                           "RobertaTokenizer"};
  if (std::find(std::begin(kClasses), std::end(kClasses), config.tokenizer_class) == std::end(kClasses))
    return;
  const auto found = tokenizer.find("post_processor");
  if (found == tokenizer.end() || !found->is_object()) return;
  const Fields fields(config.fields, "tokenizer_config.json");
  if (found->contains("add_prefix_space"))
    (*found)["add_prefix_space"] = config.add_prefix_space.value_or(false);
  if (found->contains("trim_offsets")) (*found)["trim_offsets"] = fields.boolean_or("trim_offsets", true);
}

}  // namespace

DecodeRule TokenizerConfig::decode_rule() const {
  if (tokenizer_class == "CLIPTokenizer") return DecodeRule::kClip;
  if (tokenizer_class == "WhisperTokenizer") return DecodeRule::kWhisper;
  if (tokenizer_class == "MarianTokenizer") return DecodeRule::kMarian;
  if (tokenizer_class == "SiglipTokenizer") return DecodeRule::kSiglip;
  return DecodeRule::kNone;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  const std::filesystem::path main_file = folder / "tokenizer_config.json";
  if (std::filesystem::exists(main_file)) read_main_file(read_json_file(main_file), config);
  const std::filesystem::path map_file = folder / "special_tokens_map.json";
  if (std::filesystem::exists(map_file)) {
    const Json map = read_json_file(map_file);
    read_special_tokens(Fields(map, "special_tokens_map.json"), config);
  }
  if (!std::filesystem::exists(folder / "tokenizer.json")) read_added_tokens(folder, config);
  return config;
}

void apply_class_rules(const TokenizerConfig& config, Json& tokenizer) {
  if (!config.exists || !tokenizer.is_object()) return;
  if (has_type(tokenizer, "pre_tokenizer", "ByteLevel")) {
    tokenizer["pre_tokenizer"]["add_prefix_space"] = config.add_prefix_space.value_or(false);
  }
  apply_bert_rules(config, tokenizer);
  apply_roberta_rules(config, tokenizer);
  const std::string& name = config.tokenizer_class;
  if (name == "LlamaTokenizer" || name == "GemmaTokenizer") set_bos_eos_template(config, true, tokenizer);
  if (name == "GPTNeoXTokenizer") set_bos_eos_template(config, false, tokenizer);
}

}  // namespace vulcap::tokenizer
