#include "loader/tokenizer/conversion.h"

#include <algorithm>
#include <map>
#include <optional>

#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

namespace fs = std::filesystem;

using Specials = std::vector<std::pair<std::string, std::string>>;  // role, token

struct TokenizerClass {
  std::string_view name;
  Converter convert;
  const Specials& specials;
  bool mask_takes_space = false;  // "lstrip" of the mask token
};

const Specials kBert = {{"unk_token", "[UNK]"},
                        {"sep_token", "[SEP]"},
                        {"pad_token", "[PAD]"},
                        {"cls_token", "[CLS]"},
                        {"mask_token", "[MASK]"}};
const Specials kMpnet = {{"bos_token", "<s>"},    {"eos_token", "</s>"},  {"unk_token", "[UNK]"},
                         {"sep_token", "</s>"},   {"pad_token", "<pad>"}, {"cls_token", "<s>"},
                         {"mask_token", "<mask>"}};
const Specials kRoberta = {{"bos_token", "<s>"},    {"eos_token", "</s>"},  {"unk_token", "<unk>"},
                           {"sep_token", "</s>"},   {"pad_token", "<pad>"}, {"cls_token", "<s>"},
                           {"mask_token", "<mask>"}};
const Specials kGpt2 = {
    {"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}};
const Specials kClip = {{"bos_token", "<|startoftext|>"},
                        {"eos_token", "<|endoftext|>"},
                        {"unk_token", "<|endoftext|>"},
                        {"pad_token", "<|endoftext|>"}};
const Specials kQwen2 = {
    {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}, {"pad_token", "<|endoftext|>"}};
const Specials kDeberta = {{"bos_token", "[CLS]"},  {"eos_token", "[SEP]"}, {"unk_token", "[UNK]"},
                           {"sep_token", "[SEP]"},  {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"},
                           {"mask_token", "[MASK]"}};
const Specials kAlbert = {{"bos_token", "[CLS]"},  {"eos_token", "[SEP]"}, {"unk_token", "<unk>"},
                          {"sep_token", "[SEP]"},  {"pad_token", "<pad>"}, {"cls_token", "[CLS]"},
                          {"mask_token", "[MASK]"}};
const Specials kBigBird = {{"bos_token", "<s>"},    {"eos_token", "</s>"},  {"unk_token", "<unk>"},
                           {"sep_token", "[SEP]"},  {"pad_token", "<pad>"}, {"cls_token", "[CLS]"},
                           {"mask_token", "[MASK]"}};
const Specials kT5 = {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
const Specials kLlama = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}};
const Specials kGemma = {
    {"bos_token", "<bos>"}, {"eos_token", "<eos>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
const Specials kXlnet = {{"bos_token", "<s>"},    {"eos_token", "</s>"},  {"unk_token", "<unk>"},
                         {"sep_token", "<sep>"},  {"pad_token", "<pad>"}, {"cls_token", "<cls>"},
                         {"mask_token", "<mask>"}};
const Specials kPegasus = {
    {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}, {"mask_token", "<mask_2>"}};
const Specials kSiglip = {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "</s>"}};

const std::vector<TokenizerClass>& classes() {
  static const std::vector<TokenizerClass> table = {
      {"BertTokenizer", convert_wordpiece, kBert},
      {"DistilBertTokenizer", convert_wordpiece, kBert},
      {"ElectraTokenizer", convert_wordpiece, kBert},
      {"MobileBertTokenizer", convert_wordpiece, kBert},
      {"ConvBertTokenizer", convert_wordpiece, kBert},
      {"SqueezeBertTokenizer", convert_wordpiece, kBert},
      {"LayoutLMTokenizer", convert_wordpiece, kBert},
      {"DPRQuestionEncoderTokenizer", convert_wordpiece, kBert},
      {"DPRContextEncoderTokenizer", convert_wordpiece, kBert},
      {"MPNetTokenizer", convert_wordpiece, kMpnet, true},
      {"GPT2Tokenizer", convert_byte_level, kGpt2},
      {"CodeGenTokenizer", convert_byte_level, kGpt2},
      {"WhisperTokenizer", convert_byte_level, kGpt2},
      {"RobertaTokenizer", convert_byte_level, kRoberta, true},
      {"BartTokenizer", convert_byte_level, kRoberta, true},
      {"LongformerTokenizer", convert_byte_level, kRoberta, true},
      {"LEDTokenizer", convert_byte_level, kRoberta, true},
      {"MvpTokenizer", convert_byte_level, kRoberta, true},
      {"BlenderbotTokenizer", convert_byte_level, kRoberta, true},
      {"DebertaTokenizer", convert_byte_level, kDeberta, true},
      {"CLIPTokenizer", convert_byte_level, kClip},
      {"Qwen2Tokenizer", convert_byte_level, kQwen2},
      {"T5Tokenizer", convert_sentencepiece, kT5},
      {"AlbertTokenizer", convert_sentencepiece, kAlbert, true},
      {"BigBirdTokenizer", convert_sentencepiece, kBigBird, true},
      {"XLMRobertaTokenizer", convert_sentencepiece, kRoberta, true},
      {"CamembertTokenizer", convert_sentencepiece, kRoberta, true},
      {"DebertaV2Tokenizer", convert_sentencepiece, kDeberta},
      {"LlamaTokenizer", convert_sentencepiece, kLlama},
      {"GemmaTokenizer", convert_sentencepiece, kGemma},
      {"XLNetTokenizer", convert_sentencepiece, kXlnet, true},
      {"PegasusTokenizer", convert_sentencepiece, kPegasus},
      {"SiglipTokenizer", convert_siglip, kSiglip},
      {"MarianTokenizer", convert_marian, kT5},
  };
  return table;
}

// The class of a model_type of config.json, as AutoTokenizer chooses it.
std::string class_of_model_type(const std::string& type) {
  static const std::map<std::string, std::string> table = {
      {"bert", "BertTokenizer"},
      {"distilbert", "DistilBertTokenizer"},
      {"electra", "ElectraTokenizer"},
      {"mobilebert", "MobileBertTokenizer"},
      {"convbert", "ConvBertTokenizer"},
      {"mpnet", "MPNetTokenizer"},
      {"gpt2", "GPT2Tokenizer"},
      {"gpt_neo", "GPT2Tokenizer"},
      {"gptj", "GPT2Tokenizer"},
      {"opt", "GPT2Tokenizer"},
      {"codegen", "CodeGenTokenizer"},
      {"whisper", "WhisperTokenizer"},
      {"roberta", "RobertaTokenizer"},
      {"bart", "BartTokenizer"},
      {"longformer", "LongformerTokenizer"},
      {"led", "LEDTokenizer"},
      {"mvp", "MvpTokenizer"},
      {"blenderbot", "BlenderbotTokenizer"},
      {"deberta", "DebertaTokenizer"},
      {"clip", "CLIPTokenizer"},
      {"qwen2", "Qwen2Tokenizer"},
      {"qwen2_vl", "Qwen2Tokenizer"},
      {"qwen3", "Qwen2Tokenizer"},
      {"t5", "T5Tokenizer"},
      {"mt5", "T5Tokenizer"},
      {"albert", "AlbertTokenizer"},
      {"big_bird", "BigBirdTokenizer"},
      {"xlm-roberta", "XLMRobertaTokenizer"},
      {"camembert", "CamembertTokenizer"},
      {"deberta-v2", "DebertaV2Tokenizer"},
      {"llama", "LlamaTokenizer"},
      {"mistral", "LlamaTokenizer"},
      {"phi3", "LlamaTokenizer"},
      {"gemma", "GemmaTokenizer"},
      {"gemma2", "GemmaTokenizer"},
      {"paligemma", "LlamaTokenizer"},
      {"xlnet", "XLNetTokenizer"},
      {"pegasus", "PegasusTokenizer"},
      {"siglip", "SiglipTokenizer"},
      {"marian", "MarianTokenizer"},
      {"blip", "BertTokenizer"},
      {"git", "BertTokenizer"},
      {"florence2", "BartTokenizer"},
  };
  const auto found = table.find(type);
  return found == table.end() ? "" : found->second;
}

std::string class_of_model(const fs::path& folder) {
  if (!fs::exists(folder / "config.json")) return "";
  const Json json = read_json_file(folder / "config.json");
  const Fields fields(json, "config.json");
  const std::string stated = fields.string_or("tokenizer_class", "");
  return stated.empty() ? class_of_model_type(fields.string_or("model_type", "")) : stated;
}

// What a folder that says nothing usually is.
std::string class_of_files(const fs::path& folder) {
  const auto has = [&](const char* name) { return fs::exists(folder / name); };
  if (has("vocab.txt")) return "BertTokenizer";
  if (has("source.spm") && has("vocab.json")) return "MarianTokenizer";
  if (has("vocab.json") && has("merges.txt")) return "GPT2Tokenizer";
  if (has("sentencepiece.bpe.model")) return "XLMRobertaTokenizer";
  if (has("spm.model")) return "DebertaV2Tokenizer";
  if (has("spiece.model")) return "T5Tokenizer";
  return has("tokenizer.model") ? "LlamaTokenizer" : "";
}

[[noreturn]] void fail_without_class(const fs::path& folder, const std::string& name) {
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "tokenizer: " + folder.string() +
                        (name.empty() ? " has neither tokenizer.json nor the files that it can be made of "
                                        "(vocab.txt, vocab.json with merges.txt, a sentencepiece model)"
                                      : " has no tokenizer.json, and files of " + name + " are not read") +
                        "; convert the tokenizer with transformers (AutoTokenizer ... save_pretrained)");
}

const TokenizerClass& find_class(const fs::path& folder, TokenizerConfig& config) {
  std::string name = config.tokenizer_class;
  const auto known = [&] {
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    return std::find_if(classes().begin(), classes().end(),
                        [&](const TokenizerClass& one) { return one.name == name; });
  };
  auto found = known();
  for (const auto& guess : {class_of_model, class_of_files}) {
    if (found != classes().end()) break;
    if (!name.empty() && !name.starts_with("PreTrainedTokenizer")) break;  // stated, but not known here
    name = guess(folder);
    found = known();
  }
  if (found == classes().end()) fail_without_class(folder, name);
  return *found;
}

void add_default_specials(const TokenizerClass& found, TokenizerConfig& config) {
  for (const auto& [role, content] : found.specials) {
    if (config.special.count(role) || config.fields.contains(role)) continue;  // null: none on purpose
    AddedToken token;
    token.content = content;
    token.special = true;
    token.normalized = false;
    config.special.emplace(role, std::move(token));
    config.plain_special.insert(role);
  }
  const auto mask = config.special.find("mask_token");
  if (found.mask_takes_space && mask != config.special.end() && config.plain_special.count("mask_token"))
    mask->second.lstrip = true;
}

}  // namespace

std::string ConversionSource::special(const std::string& role) const {
  const auto found = config.special.find(role);
  if (found == config.special.end())
    fail_invalid("tokenizer_config.json", config.tokenizer_class + " needs a " + role);
  return found->second.content;
}

bool ConversionSource::flag(const char* name, bool fallback) const {
  return Fields(config.fields, "tokenizer_config.json").boolean_or(name, fallback);
}

Json convert_files(const fs::path& folder, TokenizerConfig& config) {
  const TokenizerClass& found = find_class(folder, config);
  config.exists = true;
  config.tokenizer_class = std::string(found.name);
  add_default_specials(found, config);
  try {
    Json tokenizer = found.convert({folder, config});
    if (!tokenizer.contains("added_tokens")) tokenizer["added_tokens"] = Json::array();
    return tokenizer;
  } catch (core::Error& error) {
    error.add_context("no tokenizer.json, and of " + std::string(found.name) + "'s own files");
    throw;
  }
}

Json sequence_stage(const char* parts_name, Json parts) {
  return {{"type", "Sequence"}, {parts_name, std::move(parts)}};
}

Json replace_stage(const char* kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

Json byte_level_stage(bool add_prefix_space, bool trim_offsets, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", use_regex}};
}

Json template_stage(std::string_view single, std::string_view pair, const IdOf& id_of) {
  Json specials = Json::object();
  const auto pieces_of = [&](std::string_view text) {
    Json pieces = Json::array();
    while (!text.empty()) {
      std::string piece(text.substr(0, text.find(' ')));
      text.remove_prefix(std::min(text.size(), piece.size() + 1));
      int type = 0;
      if (piece.size() > 2 && piece[piece.size() - 2] == ':') {
        type = piece.back() - '0';
        piece.resize(piece.size() - 2);
      }
      const bool is_text = piece == "$A" || piece == "$B";
      if (!is_text) specials[piece] = {{"id", piece}, {"ids", {id_of(piece)}}, {"tokens", {piece}}};
      pieces.push_back({{is_text ? "Sequence" : "SpecialToken",
                         {{"id", is_text ? piece.substr(1) : piece}, {"type_id", type}}}});
    }
    return pieces;
  };
  const Json first = pieces_of(single), both = pieces_of(pair);
  return {{"type", "TemplateProcessing"}, {"single", first}, {"pair", both}, {"special_tokens", specials}};
}

}  // namespace vulcap::tokenizer
