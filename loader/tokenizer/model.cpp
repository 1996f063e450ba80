#include "loader/tokenizer/model.h"

#include "loader/tokenizer/bpe.h"
#include "loader/tokenizer/unigram.h"
#include "loader/tokenizer/wordlevel.h"
#include "loader/tokenizer/wordpiece.h"

namespace vulcap::tokenizer {
namespace {

std::string infer_type(const Fields& fields) {
  if (fields.has("merges")) return "BPE";
  if (!fields.has("vocab")) fields.fail("field 'vocab' is missing");
  return fields.require("vocab").is_array() ? "Unigram" : "WordPiece";
}

}  // namespace

void Vocabulary::add(std::string token, std::uint32_t id) {
  const auto [it, is_new] = ids_.emplace(std::move(token), id);
  if (is_new) tokens_.emplace(id, &it->first);
}

std::optional<std::uint32_t> Vocabulary::id_of(std::string_view token) const {
  const auto it = ids_.find(token);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

const std::string* Vocabulary::token_of(std::uint32_t id) const {
  const auto it = tokens_.find(id);
  return it == tokens_.end() ? nullptr : it->second;
}

void Vocabulary::reserve(std::size_t count) {
  ids_.reserve(count);
  tokens_.reserve(count);
}

Vocabulary read_vocabulary(const Json& object, const std::string& where) {
  if (!object.is_object()) fail_invalid(where, "a JSON object of token and id is expected");
  if (object.empty()) fail_invalid(where, "the vocabulary is empty");
  Vocabulary vocabulary;
  vocabulary.reserve(object.size());
  for (const auto& item : object.items()) vocabulary.add(item.key(), as_uint32(item.value(), where));
  return vocabulary;
}

std::unique_ptr<Model> make_model(const Fields& fields) {
  const std::string type = fields.has("type") ? fields.string("type") : infer_type(fields);
  if (type == "BPE") return make_bpe(fields);
  if (type == "WordPiece") return make_wordpiece(fields);
  if (type == "Unigram") return make_unigram(fields);
  if (type == "WordLevel") return make_wordlevel(fields);
  fields.fail_type("model", type);
}

}  // namespace vulcap::tokenizer
