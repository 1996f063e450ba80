#include "loader/verify/tokenizer_cases.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "loader/chat/chat_template.h"
#include "loader/read_json.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using nlohmann::json;
using tokenizer::EncodeOptions;
using tokenizer::Encoding;
using tokenizer::Padding;
using tokenizer::Truncation;

constexpr size_t kShown = 300;         // characters of a difference
constexpr size_t kLongEncoding = 400;  // of encodings with more tokens, cases list the first

std::string shown(const json& value, size_t most = kShown) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

json offsets_of(const Encoding& encoding) {
  json list = json::array();
  for (const auto& span : encoding.offsets) list.push_back({span.begin, span.end});
  return list;
}

json with_null(const std::vector<std::int32_t>& numbers) {
  json list = json::array();
  for (const std::int32_t number : numbers) list.push_back(number < 0 ? json() : json(number));
  return list;
}

class TokenizerCases {
 public:
  TokenizerCases(const std::filesystem::path& dir, const OnRow& on_row)
      : dir_(dir),
        tokenizer_(tokenizer::Tokenizer::load(dir)),
        cases_(read_json_object(dir / "cases.json")),
        on_row_(on_row) {}

  int run() {
    if (cases_.contains("size"))
      row("size", [&] { check("number of tokens", tokenizer_.vocab_size(), cases_["size"]); });
    each("cases", "text", [&](const json& item) { check_single(item); });
    each("pairs", "text", [&](const json& item) { check_pair(item); });
    each("decode_cases", "ids", [&](const json& item) { check_decode(item.at("ids"), item.at("decode")); });
    each("chat", "text", [&](const json& item) { check_chat(item); });
    each("truncation", "text", [&](const json& item) { check_truncation(item); });
    each("padding", "texts", [&](const json& item) { check_padding(item); });
    return rows_;
  }

 private:
  template <typename Body>
  void row(const std::string& subject, Body body) {
    row_ = {};
    row_.subject = subject;
    try {
      body();
    } catch (const core::Error& error) {
      row_.note = error.message();
    }
    row_.pass = row_.note.empty();
    ++rows_;
    on_row_(row_);
  }

  template <typename Body>
  void each(const char* list, const char* input, Body body) {
    const json items = cases_.value(list, json::array());
    for (size_t i = 0; i < items.size(); ++i) {
      row(std::string(list) + "/" + std::to_string(i), [&] {
        row_.output = shown(items[i].value(input, json()), 22);
        body(items[i]);
      });
    }
  }

  // The first difference of a case is its note.
  void check(const std::string& what, const json& got, const json& expected) {
    if (got == expected || !row_.note.empty()) return;
    row_.note = what + ": got " + shown(got) + ", expected " + shown(expected);
  }

  void check_encoding(const std::string& what, const Encoding& encoding, const json& item) {
    const auto compare = [&](const char* field, json got) {
      const auto expected = item.find(field);
      if (expected == item.end()) return;
      const bool first_ones = got.size() > kLongEncoding && expected->size() < got.size();
      if (first_ones) got.erase(got.begin() + std::ptrdiff_t(expected->size()), got.end());
      check(what + field, got, *expected);
    };
    check(what + "ids", encoding.ids, item.at("ids"));
    compare("tokens", encoding.tokens);
    compare("offsets", offsets_of(encoding));
    compare("type_ids", encoding.type_ids);
    compare("attention_mask", encoding.attention_mask);
    compare("special_tokens_mask", encoding.special_tokens_mask);
    compare("word_ids", with_null(encoding.word_ids));
    compare("sequence_ids", with_null(encoding.sequence_ids));
  }

  void check_single(const json& item) {
    const auto text = item.at("text").get<std::string>();
    check_encoding("", tokenizer_.encode(text, EncodeOptions{}), item);
    if (item.contains("ids_without_special")) {
      EncodeOptions bare;
      bare.add_special_tokens = false;
      check("ids without special tokens", tokenizer_.encode(text, bare).ids, item["ids_without_special"]);
    }
    check_decode(item.at("ids"), item.at("decode"));
  }

  void check_pair(const json& item) {
    const auto first = item.at("text").get<std::string>(), second = item.at("text_pair").get<std::string>();
    check_encoding("", tokenizer_.encode_pair(first, second, EncodeOptions{}), item);
  }

  // `expected` is one string, or one for every pair of skip_special_tokens and clean_up_tokenization_spaces.
  void check_decode(const json& ids, const json& expected) {
    const auto list = ids.get<std::vector<std::uint32_t>>();
    for (const bool skip : {false, true}) {
      for (const bool clean : {false, true}) {
        const std::string key = std::string("skip=") + (skip ? "1" : "0") + ",clean=" + (clean ? "1" : "0");
        const json& text = expected.is_string() ? expected : expected.at(key);
        check("decoded with " + key, tokenizer_.decode(std::span<const std::uint32_t>(list), skip, clean),
              text);
      }
    }
  }

  // apply_chat_template of the reference, as text and as ids.
  void check_chat(const json& item) {
    const auto chat = chat::load_chat_template(dir_);
    if (!chat) throw core::Error(core::ErrorCode::kInvalidModel, "the folder has no chat template");
    chat::RenderOptions options;
    options.add_generation_prompt = item.value("add_generation_prompt", false);
    const std::string text = chat->render(chat::Json::parse(item.at("messages").dump()), options);
    check("text", text, item.at("text"));
    EncodeOptions bare;
    bare.add_special_tokens = false;
    check("ids", tokenizer_.encode(text, bare).ids, item.at("ids"));
  }

  EncodeOptions options_of(const json& params) const {
    EncodeOptions options;
    const json truncation = params.value("truncation", json(false));
    if (truncation != false) {
      Truncation cut;
      cut.max_length = params.at("max_length").get<size_t>();
      cut.stride = params.value("stride", 0u);
      if (truncation == "only_first") cut.strategy = tokenizer::TruncationStrategy::kOnlyFirst;
      if (truncation == "only_second") cut.strategy = tokenizer::TruncationStrategy::kOnlySecond;
      if (params.value("truncation_side", "right") == "left") cut.side = tokenizer::Side::kLeft;
      options.truncation = cut;
    }
    if (params.contains("padding")) options.padding = padding_of(params);
    return options;
  }

  // The reference sets pad_token to eos_token where there is none.
  std::optional<Padding> padding_of(const json& params) const {
    std::optional<Padding> padding = tokenizer_.default_padding();
    if (!padding) {
      const auto eos = tokenizer_.special_id("eos_token");
      if (!eos) return std::nullopt;
      padding.emplace();
      padding->id = *eos;
      padding->token = *tokenizer_.token_of(*eos);
    }
    if (params.at("padding") == "max_length") padding->fixed_length = params.at("max_length").get<size_t>();
    padding->multiple_of = params.value("pad_to_multiple_of", 0u);
    if (params.contains("padding_side"))
      padding->side = params.at("padding_side") == "left" ? tokenizer::Side::kLeft : tokenizer::Side::kRight;
    return padding;
  }

  void check_rows(const std::vector<Encoding>& rows, const json& item) {
    const json& expected = item.at("rows");
    check("number of rows", rows.size(), expected.size());
    for (size_t i = 0; i < std::min(rows.size(), expected.size()); ++i)
      check_encoding("row " + std::to_string(i) + " ", rows[i], expected[i]);
  }

  void check_truncation(const json& item) {
    if (item.contains("error")) {  // the reference refuses to pad without a pad token
      check("has a pad token", tokenizer_.default_padding().has_value(), false);
      return;
    }
    const auto text = item.at("text").get<std::string>();
    const EncodeOptions options = options_of(item.at("params"));
    const Encoding encoding =
        item.at("text_pair").is_null()
            ? tokenizer_.encode(text, options)
            : tokenizer_.encode_pair(text, item.at("text_pair").get<std::string>(), options);
    std::vector<Encoding> rows{encoding};
    if (item.at("params").value("return_overflowing_tokens", false))
      rows.insert(rows.end(), encoding.overflowing.begin(), encoding.overflowing.end());
    check_rows(rows, item);
  }

  void check_padding(const json& item) {
    const auto texts = item.at("texts").get<std::vector<std::string>>();
    check_rows(tokenizer_.encode_batch(texts, options_of(item.at("params"))), item);
  }

  std::filesystem::path dir_;
  tokenizer::Tokenizer tokenizer_;
  json cases_;
  const OnRow& on_row_;
  VerifyRow row_;
  int rows_ = 0;
};

}  // namespace

int verify_tokenizer(const std::filesystem::path& dir, const OnRow& on_row) {
  const std::filesystem::path path = dir / "cases.json";
  if (!std::filesystem::exists(path)) return 0;
  try {
    return TokenizerCases(dir, on_row).run();
  } catch (const json::exception& error) {
    throw core::Error(core::ErrorCode::kInvalidModel, path.string() + ": " + error.what());
  }
}

}  // namespace vulcap::loader
