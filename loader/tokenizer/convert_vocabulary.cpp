// vocab.txt, and vocab.json with merges.txt.
#include <fstream>

#include "loader/tokenizer/bpe.h"
#include "loader/tokenizer/conversion.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string name = path.filename().string();
  if (!file) fail_invalid(name, "cannot be opened in " + path.parent_path().string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!is_valid_utf8(line))
      fail_invalid(name, "line " + std::to_string(lines.size() + 1) + " is not UTF-8");
    lines.push_back(std::move(line));
  }
  return lines;
}

IdOf ids_in(const Json& vocabulary, const char* file) {
  return [&vocabulary, file](const std::string& token) {
    const auto found = vocabulary.find(token);
    if (found == vocabulary.end()) fail_invalid(file, "lacks the special token '" + token + "'");
    return as_uint32(*found, file);
  };
}

Json read_merges(const std::filesystem::path& path) {
  Json merges = Json::array();
  const std::vector<std::string> lines = read_lines(path);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i].starts_with("#version")) continue;
    split_merge(lines[i], "merges.txt line " + std::to_string(i + 1));
    merges.push_back(lines[i]);
  }
  return merges;
}

// Ids of the vocabulary, or of a token that is only added.
IdOf ids_with_added(const ConversionSource& source, const Json& vocabulary) {
  return [&source, in_file = ids_in(vocabulary, "vocab.json")](const std::string& token) {
    for (const AddedToken& added : source.config.added_tokens_decoder)
      if (added.content == token) return added.id;
    return in_file(token);
  };
}

Json cls_sep_stage(const std::string& cls, const std::string& sep, bool add_prefix_space, bool trim_offsets,
                   const IdOf& id_of) {
  return {{"type", "RobertaProcessing"},
          {"sep", {sep, id_of(sep)}},
          {"cls", {cls, id_of(cls)}},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets}};
}

// <|startoftranscript|> <|en|> <|transcribe|> <|notimestamps|>: language and task where they are set.
std::string whisper_prefix(const ConversionSource& source) {
  const Fields fields(source.config.fields, "tokenizer_config.json");
  std::string prefix = "<|startoftranscript|>:0 ";
  for (const char* setting : {"language", "task"}) {
    if (fields.has(setting)) prefix += "<|" + fields.string(setting) + "|>:0 ";
  }
  return prefix + (source.flag("predict_timestamps", false) ? "" : "<|notimestamps|>:0 ");
}

Json byte_level_post_processor(const ConversionSource& source, const IdOf& id_of) {
  const std::string& name = source.config.tokenizer_class;
  const bool prefix = source.config.add_prefix_space.value_or(false);
  if (name == "CLIPTokenizer")
    return cls_sep_stage(source.special("bos_token"), source.special("eos_token"), false, false, id_of);
  if (name == "DebertaTokenizer")
    return template_stage("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", id_of);
  if (name == "BlenderbotTokenizer") {
    const std::string eos = source.special("eos_token");
    return template_stage("$A:0 " + eos + ":0", "$A:0 $B:1", id_of);
  }
  if (name == "WhisperTokenizer") {
    const std::string start = whisper_prefix(source), eos = source.special("eos_token");
    return template_stage(start + "$A:0 " + eos + ":0", start + "$A:0 $B:1 " + eos + ":1", id_of);
  }
  const bool plain = name == "GPT2Tokenizer" || name == "CodeGenTokenizer" || name == "Qwen2Tokenizer";
  if (!plain) {
    return cls_sep_stage(source.special("cls_token"), source.special("sep_token"), prefix,
                         source.flag("trim_offsets", true), id_of);
  }
  if (!source.config.add_bos_token.value_or(false) || name == "Qwen2Tokenizer")
    return byte_level_stage(true, false, true);
  const std::string bos = source.special("bos_token");
  return template_stage(bos + ":0 $A:0", bos + ":0 $A:0 $B:1", id_of);
}

Json split_stage(const char* pattern, const char* behavior, bool invert) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", behavior}, {"invert", invert}};
}

void add_clip_stages(const ConversionSource& source, Json& out) {
  out["normalizer"] = sequence_stage(
      "normalizers", {{{"type", "NFC"}}, replace_stage("Regex", "\\s+", " "), {{"type", "Lowercase"}}});
  constexpr char kWords[] = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
  out["pre_tokenizer"] = sequence_stage(
      "pretokenizers", {split_stage(kWords, "Removed", true), byte_level_stage(false, true, true)});
  out["model"]["end_of_word_suffix"] = "</w>";
  out["model"]["unk_token"] = source.special("unk_token");
}

void add_qwen2_stages(const ConversionSource& source, Json& out) {
  constexpr char kWords[] =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
      R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
  out["normalizer"] = {{"type", "NFC"}};
  out["pre_tokenizer"] = sequence_stage(
      "pretokenizers", {split_stage(kWords, "Isolated", false),
                        byte_level_stage(source.config.add_prefix_space.value_or(false), true, false)});
}

}  // namespace

Json convert_wordpiece(const ConversionSource& source) {
  const std::vector<std::string> lines = read_lines(source.folder / "vocab.txt");
  Json vocabulary = Json::object();
  for (std::size_t i = 0; i < lines.size(); ++i) vocabulary[lines[i]] = i;
  const IdOf id_of = ids_in(vocabulary, "vocab.txt");
  const std::string cls = source.special("cls_token"), sep = source.special("sep_token");
  const std::string single = cls + ":0 $A:0 " + sep + ":0";
  const bool doubled = source.config.tokenizer_class == "MPNetTokenizer";
  Json out;
  out["normalizer"] = {
      {"type", "BertNormalizer"},
      {"clean_text", true},
      {"handle_chinese_chars", source.config.tokenize_chinese_chars.value_or(true)},
      {"strip_accents", source.config.strip_accents ? Json(*source.config.strip_accents) : Json()},
      {"lowercase", source.config.do_lower_case.value_or(true)}};
  out["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  out["post_processor"] =
      template_stage(single, single + (doubled ? " " + sep + ":0" : "") + " $B:1 " + sep + ":1", id_of);
  out["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  out["model"] = {{"type", "WordPiece"}, {"unk_token", source.special("unk_token")}, {"vocab", vocabulary}};
  return out;
}

Json convert_byte_level(const ConversionSource& source) {
  const Json vocabulary = read_json_file(source.folder / "vocab.json");
  const bool prefix = source.config.add_prefix_space.value_or(false);
  Json out;
  out["pre_tokenizer"] = byte_level_stage(prefix, true, true);
  out["decoder"] = byte_level_stage(true, true, true);
  out["model"] = {
      {"type", "BPE"}, {"vocab", vocabulary}, {"merges", read_merges(source.folder / "merges.txt")}};
  out["post_processor"] = byte_level_post_processor(source, ids_with_added(source, vocabulary));
  if (source.config.tokenizer_class == "CLIPTokenizer") add_clip_stages(source, out);
  if (source.config.tokenizer_class == "Qwen2Tokenizer") add_qwen2_stages(source, out);
  return out;
}

}  // namespace vulcap::tokenizer
