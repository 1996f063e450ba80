// Sentencepiece models. What a class changes of the general form follows its converter in transformers 4.57.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "loader/base64.h"
#include "loader/tokenizer/conversion.h"
#include "loader/tokenizer/precompiled.h"
#include "loader/tokenizer/sentencepiece.h"
#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

constexpr char kMark[] = "\xE2\x96\x81";  // U+2581 stands for a space

using Rows = std::vector<std::pair<std::string, double>>;  // token and score, by id

std::filesystem::path model_file(const std::filesystem::path& folder) {
  for (const char* name :
       {"spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model", "sentencepiece.model"}) {
    if (std::filesystem::exists(folder / name)) return folder / name;
  }
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "tokenizer: " + folder.string() +
                        " has neither tokenizer.json nor a sentencepiece model (spiece.model, "
                        "sentencepiece.bpe.model, spm.model or tokenizer.model)");
}

std::uint32_t whole_setting(const ConversionSource& source, const char* name, std::uint32_t fallback) {
  constexpr std::uint32_t kMost = 100000;
  const Fields fields(source.config.fields, "tokenizer_config.json");
  const std::uint32_t value = fields.uint32_or(name, fallback);
  if (value > kMost) fields.fail(std::string(name) + " is too large");
  return value;
}

void append_pieces(const SentencePieceModel& model, std::size_t first, Rows& rows) {
  for (std::size_t i = first; i < model.pieces.size(); ++i)
    rows.emplace_back(model.pieces[i].text, model.pieces[i].score);
}

// The order that fairseq gave its ids.
Rows fairseq_rows(const SentencePieceModel& model) {
  Rows rows = {{"<s>", 0.0}, {"<pad>", 0.0}, {"</s>", 0.0}, {"<unk>", 0.0}};
  append_pieces(model, 3, rows);
  rows.emplace_back("<mask>", 0.0);
  return rows;
}

Rows camembert_rows(const SentencePieceModel& model) {
  Rows rows = {
      {"<s>NOTUSED", 0.0}, {"<pad>", 0.0}, {"</s>NOTUSED", 0.0}, {"<unk>", 0.0}, {"<unk>NOTUSED", -100.0}};
  append_pieces(model, 1, rows);
  rows.emplace_back("<mask>", 0.0);
  return rows;
}

// Numbers that end in a comma lose against the number alone.
Rows rows_without_number_commas(const SentencePieceModel& model) {
  Rows rows;
  for (const SentencePiece& piece : model.pieces) {
    const std::u32string text = to_code_points(piece.text);
    const bool comma = text.size() >= 2 && text.back() == U',' && is_numeric(text[text.size() - 2]);
    rows.emplace_back(piece.text, piece.score - (comma ? 100.0 : 0.0));
  }
  return rows;
}

Rows t5_rows(const ConversionSource& source, const SentencePieceModel& model) {
  Rows rows;
  append_pieces(model, 0, rows);
  for (std::uint32_t i = whole_setting(source, "extra_ids", 100); i-- > 0;)
    rows.emplace_back("<extra_id_" + std::to_string(i) + ">", 0.0);
  return rows;
}

Rows gemma_rows(const ConversionSource& source, const SentencePieceModel& model) {
  Rows rows = {{source.special("pad_token"), 0.0},
               {source.special("eos_token"), 0.0},
               {source.special("bos_token"), 0.0}};
  append_pieces(model, 3, rows);
  const auto find = [&](const char* token) {
    return std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.first == token; });
  };
  if (find("\t") == rows.end() && find("<0x09>") != rows.end()) *find("<0x09>") = {"\t", 0.0};
  return rows;
}

std::uint32_t pegasus_offset(const ConversionSource& source) { return whole_setting(source, "offset", 103); }

Rows pegasus_rows(const ConversionSource& source, const SentencePieceModel& model) {
  Rows rows = {{source.special("pad_token"), 0.0},
               {source.special("eos_token"), 0.0},
               {"<mask_1>", 0.0},
               {source.special("mask_token"), 0.0}};
  for (std::uint32_t i = 2; i < pegasus_offset(source); ++i)
    rows.emplace_back("<unk_" + std::to_string(i) + ">", -100.0);
  append_pieces(model, 2, rows);
  return rows;
}

Rows rows_of(const ConversionSource& source, const SentencePieceModel& model) {
  const std::string& name = source.config.tokenizer_class;
  if (name == "T5Tokenizer") return t5_rows(source, model);
  if (name == "XLMRobertaTokenizer") return fairseq_rows(model);
  if (name == "CamembertTokenizer") return camembert_rows(model);
  if (name == "AlbertTokenizer" || name == "XLNetTokenizer") return rows_without_number_commas(model);
  if (name == "GemmaTokenizer") return gemma_rows(source, model);
  if (name == "PegasusTokenizer") return pegasus_rows(source, model);
  Rows rows;
  append_pieces(model, 0, rows);
  if (name == "LlamaTokenizer") {
    for (std::size_t i = 0; i < std::min<std::size_t>(3, rows.size()); ++i) rows[i].second = 0.0;
  }
  return rows;
}

std::uint32_t unk_row(const ConversionSource& source, const SentencePieceModel& model) {
  const std::string& name = source.config.tokenizer_class;
  if (name == "XLMRobertaTokenizer" || name == "CamembertTokenizer" || name == "GemmaTokenizer") return 3;
  if (name == "LlamaTokenizer") return 0;
  return model.unk_id + (name == "PegasusTokenizer" ? pegasus_offset(source) : 0);
}

std::size_t code_points(std::string_view text) {
  return std::size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Every way to put a token together from two pieces: best score first, then the longer parts, then the pieces
// with the smaller ids.
Json merges_of(const SentencePieceModel& model, const Rows& rows, bool has_tab) {
  std::map<std::string, std::size_t, std::less<>> ids;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) ids[model.pieces[i].text] = i;
  if (has_tab && !ids.count("\t") && ids.count("<0x09>")) ids["\t"] = ids["<0x09>"];
  struct Merge {
    double score;
    std::size_t left_length, right_length;
    std::string left, right;
  };
  std::vector<Merge> merges;
  std::set<std::string_view> seen;
  for (const auto& [token, score] : rows) {
    if (!seen.insert(token).second) continue;
    std::vector<std::tuple<std::size_t, std::size_t, std::size_t>> cuts;  // ids of both parts, place
    for (std::size_t at = 1; at < token.size(); ++at) {
      if ((token[at] & 0xC0) == 0x80) continue;
      const auto left = ids.find(std::string_view(token).substr(0, at));
      if (left == ids.end()) continue;
      const auto right = ids.find(std::string_view(token).substr(at));
      if (right != ids.end()) cuts.emplace_back(left->second, right->second, at);
    }
    std::sort(cuts.begin(), cuts.end());
    for (const auto& [left, right, at] : cuts) {
      const std::string first = token.substr(0, at), second = token.substr(at);
      merges.push_back({score, code_points(first), code_points(second), first, second});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tie(a.score, a.left_length, a.right_length) >
           std::tie(b.score, b.left_length, b.right_length);
  });
  Json list = Json::array();
  for (Merge& merge : merges) list.push_back({std::move(merge.left), std::move(merge.right)});
  return list;
}

Json model_stage(const ConversionSource& source, const SentencePieceModel& model, const Rows& rows) {
  const std::string& name = source.config.tokenizer_class;
  const bool bytes = name == "LlamaTokenizer" || name == "GemmaTokenizer";
  if (!model.is_bpe) {
    Json vocabulary = Json::array();
    for (const auto& [token, score] : rows) vocabulary.push_back({token, score});
    return {{"type", "Unigram"},
            {"unk_id", unk_row(source, model)},
            {"vocab", vocabulary},
            {"byte_fallback", bytes}};
  }
  Json vocabulary = Json::object();
  for (std::size_t i = 0; i < rows.size(); ++i) vocabulary[rows[i].first] = i;
  return {{"type", "BPE"},
          {"vocab", vocabulary},
          {"merges", merges_of(model, rows, name == "GemmaTokenizer")},
          {"unk_token", model.unk_piece},
          {"fuse_unk", true},
          {"byte_fallback", bytes}};
}

Json spaces_to(const char* content) { return replace_stage("Regex", " {2,}", content); }

// `longest_match`: as sentencepiece itself applies it.
void append_charsmap(const SentencePieceModel& model, Json& parts, bool longest_match = false) {
  if (model.precompiled_charsmap.empty()) return;
  parts.push_back({{"type", "Precompiled"},
                   {"precompiled_charsmap", loader::encode_base64(model.precompiled_charsmap)},
                   {"longest_match", longest_match}});
}

// ALBERT and XLNet.
Json quoting_normalizer(const ConversionSource& source, const SentencePieceModel& model, bool lowercase) {
  Json parts = {replace_stage("String", "``", "\""), replace_stage("String", "''", "\"")};
  if (!source.flag("keep_accents", false)) {
    parts.push_back({{"type", "NFKD"}});
    parts.push_back({{"type", "StripAccents"}});
  }
  if (source.config.do_lower_case.value_or(lowercase)) parts.push_back({{"type", "Lowercase"}});
  append_charsmap(model, parts);
  parts.push_back(spaces_to(" "));
  return sequence_stage("normalizers", parts);
}

Json normalizer_stage(const ConversionSource& source, const SentencePieceModel& model, bool legacy,
                      bool prefix) {
  const std::string& name = source.config.tokenizer_class;
  const Json marked = replace_stage("String", " ", kMark);
  if (name == "AlbertTokenizer") return quoting_normalizer(source, model, true);
  if (name == "XLNetTokenizer") return quoting_normalizer(source, model, false);
  if (name == "GemmaTokenizer") return marked;
  Json parts = Json::array();
  if (name == "LlamaTokenizer") {
    if (!legacy) return nullptr;
    if (prefix) parts.push_back({{"type", "Prepend"}, {"prepend", kMark}});
    parts.push_back(marked);
    return sequence_stage("normalizers", parts);
  }
  if (name == "DebertaV2Tokenizer") {
    if (source.config.do_lower_case.value_or(false)) parts.push_back({{"type", "Lowercase"}});
    parts.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
    append_charsmap(model, parts);
    parts.push_back(spaces_to(" "));
    return sequence_stage("normalizers", parts);
  }
  append_charsmap(model, parts);
  parts.push_back({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
  parts.push_back(spaces_to(kMark));
  return sequence_stage("normalizers", parts);
}

Json pre_tokenizer_stage(const ConversionSource& source, const Json& metaspace, bool legacy) {
  const std::string& name = source.config.tokenizer_class;
  if (name == "GemmaTokenizer") {
    return {{"type", "Split"},
            {"pattern", {{"String", " "}}},
            {"behavior", "MergedWithPrevious"},
            {"invert", false}};
  }
  if (name == "LlamaTokenizer") {
    if (legacy) return nullptr;
    Json whole = metaspace;
    whole["split"] = false;
    return whole;
  }
  Json parts = Json::array();
  if (name == "PegasusTokenizer") parts.push_back({{"type", "WhitespaceSplit"}});
  if (name == "DebertaV2Tokenizer" && source.flag("split_by_punct", false))
    parts.push_back({{"type", "Punctuation"}, {"behavior", "Isolated"}});
  parts.push_back(metaspace);
  return sequence_stage("pretokenizers", parts);
}

Json decoder_stage(const std::string& name, const Json& metaspace, bool prefix) {
  if (name != "LlamaTokenizer" && name != "GemmaTokenizer") return metaspace;
  Json parts = {replace_stage("String", kMark, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (name == "LlamaTokenizer" && prefix)
    parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return sequence_stage("decoders", parts);
}

Json post_processor_stage(const ConversionSource& source, const IdOf& id_of) {
  const std::string& name = source.config.tokenizer_class;
  if (name == "T5Tokenizer") return template_stage("$A </s>", "$A </s> $B </s>", id_of);
  if (name == "XLMRobertaTokenizer" || name == "CamembertTokenizer")
    return template_stage("<s> $A </s>", "<s> $A </s> </s> $B </s>", id_of);
  if (name == "XLNetTokenizer")
    return template_stage("$A:0 <sep>:0 <cls>:2", "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2", id_of);
  if (name == "PegasusTokenizer") {
    const std::string eos = source.special("eos_token");
    return template_stage("$A " + eos, "$A $B " + eos, id_of);
  }
  if (name == "LlamaTokenizer" || name == "GemmaTokenizer") return nullptr;  // see apply_class_rules
  return template_stage("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", id_of);
}

// Control pieces are special, pieces that users defined are plain added tokens.
Json added_tokens(const ConversionSource& source, const SentencePieceModel& model,
                  const std::map<std::string, std::size_t>& ids) {
  const bool turns = source.config.tokenizer_class == "GemmaTokenizer";
  const auto mask = source.config.special.find("mask_token");
  Json list = Json::array();
  std::size_t next = ids.size();
  for (const SentencePiece& piece : model.pieces) {
    const bool control = piece.kind == SentencePiece::Kind::kControl;
    if (!control && piece.kind != SentencePiece::Kind::kUserDefined) continue;
    const bool turn = turns && (piece.text == "<start_of_turn>" || piece.text == "<end_of_turn>");
    const bool masks = mask != source.config.special.end() && mask->second.content == piece.text;
    const auto known = ids.find(piece.text);
    list.push_back({{"id", known == ids.end() ? next++ : known->second},
                    {"content", piece.text},
                    {"single_word", false},
                    {"lstrip", masks && mask->second.lstrip},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", control || turn || masks}});
  }
  return list;
}

// Special tokens that a class adds to those with a role.
void add_class_specials(const ConversionSource& source) {
  TokenizerConfig& config = source.config;
  const std::string& name = config.tokenizer_class;
  if (!config.fields.contains("padding_side") &&
      (name == "LlamaTokenizer" || name == "GemmaTokenizer" || name == "XLNetTokenizer"))
    config.pads_on_left = true;
  if (!config.additional_special.empty()) return;
  std::vector<std::string> names;
  if (name == "T5Tokenizer") {
    for (std::uint32_t i = 0; i < whole_setting(source, "extra_ids", 100); ++i)
      names.push_back("<extra_id_" + std::to_string(i) + ">");
  }
  if (name == "XLNetTokenizer") names = {"<eop>", "<eod>"};
  if (name == "CamembertTokenizer") names = {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"};
  if (name == "PegasusTokenizer") {
    names = {"<mask_1>"};
    for (std::uint32_t i = 2; i < pegasus_offset(source); ++i)
      names.push_back("<unk_" + std::to_string(i) + ">");
  }
  for (std::string& content : names) {
    AddedToken token;
    token.content = std::move(content);
    token.special = true;
    token.normalized = false;
    config.additional_special.push_back(std::move(token));
  }
}

Json metaspace_stage(const char* scheme) {
  return {{"type", "Metaspace"}, {"replacement", kMark}, {"prepend_scheme", scheme}, {"split", true}};
}

IdOf ids_in(const std::map<std::string, std::size_t>& ids) {
  return [&ids](const std::string& token) {
    const auto found = ids.find(token);
    if (found == ids.end())
      fail_invalid("tokenizer", "the sentencepiece model lacks the special token '" + token + "'");
    return std::uint32_t(found->second);
  };
}

}  // namespace

Json convert_sentencepiece(const ConversionSource& source) {
  const SentencePieceModel model = read_sentencepiece(model_file(source.folder));
  const std::string& name = source.config.tokenizer_class;
  const bool has_scheme = name == "T5Tokenizer" || name == "LlamaTokenizer";
  const bool legacy = !has_scheme || source.flag("legacy", true);
  const bool prefix = !has_scheme || source.config.add_prefix_space.value_or(true);
  const Json metaspace = metaspace_stage(!prefix ? "never" : legacy ? "always" : "first");
  const Rows rows = rows_of(source, model);
  std::map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < rows.size(); ++i) ids[rows[i].first] = i;
  add_class_specials(source);
  Json out;
  out["model"] = model_stage(source, model, rows);
  out["normalizer"] = normalizer_stage(source, model, legacy, prefix);
  out["pre_tokenizer"] = pre_tokenizer_stage(source, metaspace, legacy);
  out["post_processor"] = post_processor_stage(source, ids_in(ids));
  out["decoder"] = decoder_stage(name, metaspace, prefix);
  out["added_tokens"] = added_tokens(source, model, ids);
  return out;
}

namespace {

// Tokens like ">>fr<<", which stand in front of a text and go by their own ids.
Json language_codes(const Json& ids) {
  Json list = Json::array();
  for (const auto& item : ids.items()) {
    if (!item.key().starts_with(">>") || !item.key().ends_with("<<")) continue;
    list.push_back({{"id", item.value()},
                    {"content", item.key()},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", false}});
  }
  return list;
}

}  // namespace

// Pieces of source.spm go by the ids of vocab.json. Marian has no fast class: this is what its slow one does.
Json convert_marian(const ConversionSource& source) {
  const SentencePieceModel model = read_sentencepiece(source.folder / "source.spm");
  const Json ids = read_json_file(source.folder / "vocab.json");
  const IdOf id_of = [&ids](const std::string& token) {
    if (!ids.is_object() || !ids.contains(token)) fail_invalid("vocab.json", "lacks '" + token + "'");
    return as_uint32(ids[token], "vocab.json");
  };
  const std::string eos = source.special("eos_token");
  Json out;
  out["post_processor"] = template_stage("$A " + eos, "$A $B " + eos, id_of);
  Json rows = Json::array(), normalizers = Json::array();
  for (const SentencePiece& piece : model.pieces) {
    const bool in_text =
        piece.kind == SentencePiece::Kind::kNormal || piece.kind == SentencePiece::Kind::kUserDefined;
    rows.push_back({piece.text, in_text ? Json(piece.score) : Json()});
  }
  append_charsmap(model, normalizers, true);
  normalizers.push_back(spaces_to(" "));
  normalizers.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
  out["model"] = {{"type", "Unigram"},
                  {"vocab", rows},
                  {"unk_id", model.unk_id},
                  {"ids", ids},
                  {"unk_token", source.special("unk_token")}};
  out["normalizer"] = sequence_stage("normalizers", normalizers);
  out["pre_tokenizer"] = metaspace_stage("always");
  out["decoder"] = metaspace_stage("always");
  out["added_tokens"] = language_codes(ids);
  return out;
}

// SigLIP has no fast class either.
Json convert_siglip(const ConversionSource& source) {
  const SentencePieceModel model = read_sentencepiece(model_file(source.folder));
  Rows rows;
  append_pieces(model, 0, rows);
  std::map<std::string, std::size_t> ids;
  for (std::size_t i = 0; i < rows.size(); ++i) ids[rows[i].first] = i;
  for (auto& [role, token] : source.config.special) {
    if (source.config.plain_special.count(role)) token.lstrip = token.rstrip = true;
  }
  const Json strip_right = {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}};
  Json normalizers = {replace_stage("String", kMark, " "), strip_right};
  normalizers.push_back({{"type", "Prepend"}, {"prepend", kMark}, {"at_start", true}});
  if (source.config.do_lower_case.value_or(true)) normalizers.push_back({{"type", "Lowercase"}});
  normalizers.push_back(replace_stage("Regex", R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])", ""));
  normalizers.push_back(replace_stage("Regex", "\\s+", " "));
  normalizers.push_back(strip_right);
  append_charsmap(model, normalizers, true);
  Json out;
  out["model"] = model_stage(source, model, rows);
  out["normalizer"] = sequence_stage("normalizers", normalizers);
  out["pre_tokenizer"] = metaspace_stage("never");
  out["decoder"] = metaspace_stage("always");
  const std::string eos = source.special("eos_token");
  out["post_processor"] = template_stage("$A " + eos, "$A " + eos + " $B " + eos, ids_in(ids));
  return out;
}

}  // namespace vulcap::tokenizer
