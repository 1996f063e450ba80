// Runs one folder of tests/golden/tokenizers: cases.json holds what transformers 4.57 and tokenizers 0.22
// answer.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loader/tokenizer/tokenizer.h"

namespace vulcap::tokenizer {

struct GoldenResult {
  std::size_t checks = 0;
  std::vector<std::string> failures;
};

class GoldenRun {
 public:
  explicit GoldenRun(const std::filesystem::path& folder) : tokenizer_(Tokenizer::load(folder)) {
    std::ifstream file(folder / "cases.json");
    cases_ = nlohmann::json::parse(file);
  }

  GoldenResult run() {
    check("vocab_size", "", tokenizer_.vocab_size(), cases_.at("size"));
    for (const auto& c : cases_.at("cases")) check_single(c);
    for (const auto& c : cases_.at("pairs")) check_pair(c);
    for (const auto& c : cases_.at("decode_cases")) check_decode("decode", c.at("ids"), c.at("decode"));
    for (const auto& c : cases_.at("truncation")) check_truncation(c);
    for (const auto& c : cases_.at("padding")) check_padding(c);
    return result_;
  }

 private:
  using Json = nlohmann::json;

  template <class T>
  void check(const std::string& what, const std::string& input, const T& got, const Json& expected) {
    ++result_.checks;
    const Json as_json = got;
    if (as_json == expected) return;
    result_.failures.push_back(
        what + " of " + Json(input.substr(0, 60)).dump(-1, ' ', false, Json::error_handler_t::replace) +
        ": got " + shown(as_json) + ", expected " + shown(expected));
  }

  static std::string shown(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 300);
  }

  static Json offsets_of(const Encoding& e, std::size_t count) {
    Json out = Json::array();
    for (std::size_t i = 0; i < std::min(count, e.size()); ++i)
      out.push_back({e.offsets[i].begin, e.offsets[i].end});
    return out;
  }

  static Json with_null(const std::vector<std::int32_t>& list) {
    Json out = Json::array();
    for (const std::int32_t v : list) out.push_back(v < 0 ? Json(nullptr) : Json(v));
    return out;
  }

  void check_encoding(const std::string& what, const std::string& input, const Encoding& e, const Json& c) {
    check(what + " ids", input, e.ids, c.at("ids"));
    const std::size_t shown_tokens = c.at("tokens").size();  // long cases list only the first
    std::vector<std::string> tokens = e.tokens;
    if (tokens.size() > 400) tokens.resize(std::min(tokens.size(), shown_tokens));
    check(what + " tokens", input, tokens, c.at("tokens"));
    check(what + " offsets", input, offsets_of(e, tokens.size()), c.at("offsets"));
    if (c.contains("type_ids")) check(what + " type_ids", input, e.type_ids, c.at("type_ids"));
    if (c.contains("attention_mask"))
      check(what + " attention_mask", input, e.attention_mask, c.at("attention_mask"));
    if (c.contains("special_tokens_mask")) {
      check(what + " special_tokens_mask", input, e.special_tokens_mask, c.at("special_tokens_mask"));
    }
    if (c.contains("word_ids")) check(what + " word_ids", input, with_null(e.word_ids), c.at("word_ids"));
    if (c.contains("sequence_ids"))
      check(what + " sequence_ids", input, with_null(e.sequence_ids), c.at("sequence_ids"));
  }

  void check_single(const Json& c) {
    const auto text = c.at("text").get<std::string>();
    const Encoding e = tokenizer_.encode(text, EncodeOptions{});
    check_encoding("encode", text, e, c);
    if (c.contains("ids_without_special")) {
      EncodeOptions bare;
      bare.add_special_tokens = false;
      check("ids without special", text, tokenizer_.encode(text, bare).ids, c.at("ids_without_special"));
    }
    check_decode(text, c.at("ids"), c.at("decode"));
  }

  void check_pair(const Json& c) {
    const auto first = c.at("text").get<std::string>();
    const auto second = c.at("text_pair").get<std::string>();
    check_encoding("pair", first, tokenizer_.encode_pair(first, second, EncodeOptions{}), c);
  }

  // `expected` is one string, or one for every pair of skip_special_tokens and clean_up_tokenization_spaces.
  void check_decode(const std::string& input, const Json& ids, const Json& expected) {
    const auto list = ids.get<std::vector<std::uint32_t>>();
    for (const bool skip : {false, true}) {
      for (const bool clean : {false, true}) {
        const std::string key = std::string("skip=") + (skip ? "1" : "0") + ",clean=" + (clean ? "1" : "0");
        const Json& text = expected.is_string() ? expected : expected.at(key);
        check("decode " + key, input, tokenizer_.decode(std::span<const std::uint32_t>(list), skip, clean),
              text);
      }
    }
  }

  EncodeOptions options_of(const Json& params) const {
    EncodeOptions options;
    const Json truncation = params.value("truncation", Json(false));
    if (truncation != false) {
      Truncation t;
      t.max_length = params.at("max_length").get<std::size_t>();
      t.stride = params.value("stride", 0u);
      if (truncation == "only_first") t.strategy = TruncationStrategy::kOnlyFirst;
      if (truncation == "only_second") t.strategy = TruncationStrategy::kOnlySecond;
      if (params.value("truncation_side", "right") == "left") t.side = Side::kLeft;
      options.truncation = t;
    }
    if (params.contains("padding")) options.padding = padding_of(params);
    return options;
  }

  std::optional<Padding> padding_of(const Json& params) const {
    std::optional<Padding> padding = tokenizer_.default_padding();
    if (!padding) {
      const auto eos = tokenizer_.special_id("eos_token");
      if (!eos) return std::nullopt;
      padding.emplace();
      padding->id = *eos;
      padding->token = *tokenizer_.token_of(*eos);
    }
    if (params.at("padding") == "max_length")
      padding->fixed_length = params.at("max_length").get<std::size_t>();
    padding->multiple_of = params.value("pad_to_multiple_of", 0u);
    if (params.contains("padding_side"))
      padding->side = params.at("padding_side") == "left" ? Side::kLeft : Side::kRight;
    return padding;
  }

  void check_rows(const std::string& input, const std::vector<Encoding>& rows, const Json& c) {
    check("number of rows", input, rows.size(), c.at("rows").size());
    for (std::size_t i = 0; i < std::min(rows.size(), c.at("rows").size()); ++i) {
      check_encoding("row " + std::to_string(i) + " of " + c.at("params").dump(), input, rows[i],
                     c.at("rows")[i]);
    }
  }

  void check_truncation(const Json& c) {
    if (c.contains("error")) {
      // The Python class refuses to pad without a pad token.
      check("pad token", "", tokenizer_.default_padding().has_value(), false);
      return;
    }
    const auto text = c.at("text").get<std::string>();
    const EncodeOptions options = options_of(c.at("params"));
    const Encoding e = c.at("text_pair").is_null()
                           ? tokenizer_.encode(text, options)
                           : tokenizer_.encode_pair(text, c.at("text_pair").get<std::string>(), options);
    std::vector<Encoding> rows{e};
    if (c.at("params").value("return_overflowing_tokens", false)) {
      rows.insert(rows.end(), e.overflowing.begin(), e.overflowing.end());
    }
    check_rows(text, rows, c);
  }

  void check_padding(const Json& c) {
    const auto texts = c.at("texts").get<std::vector<std::string>>();
    check_rows(texts.front(), tokenizer_.encode_batch(texts, options_of(c.at("params"))), c);
  }

  Tokenizer tokenizer_;
  Json cases_;
  GoldenResult result_;
};

}  // namespace vulcap::tokenizer
