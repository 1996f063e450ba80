#include "loader/tokenizer/added_tokens.h"

#include <algorithm>

#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {

AddedToken read_added_token(const Fields& fields) {
  fields.allow_only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  AddedToken t;
  t.content = fields.string("content");
  t.id = fields.uint32("id");
  t.single_word = fields.boolean("single_word");
  t.lstrip = fields.boolean("lstrip");
  t.rstrip = fields.boolean("rstrip");
  t.normalized = fields.boolean("normalized");
  t.special = fields.boolean("special");
  return t;
}

void AddedTokens::add(AddedToken token) {
  if (token.content.empty()) return;
  const auto known = index_of_content_.find(token.content);
  const std::size_t index = known == index_of_content_.end() ? tokens_.size() : known->second;
  if (index == tokens_.size()) {
    index_of_content_[token.content] = index;
    tokens_.push_back(std::move(token));
  } else {
    index_of_id_.erase(tokens_[index].id);
    tokens_[index] = std::move(token);
  }
  index_of_id_[tokens_[index].id] = index;
}

void AddedTokens::build_index(const Normalizer* normalizer, bool specials_are_text) {
  specials_are_text_ = specials_are_text;
  raw_ = {};
  normalized_ = {};
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    NormalizedString content(to_code_points(tokens_[i].content));
    if (tokens_[i].normalized && normalizer != nullptr) normalizer->apply(content);
    if (!content.empty()) (tokens_[i].normalized ? normalized_ : raw_).insert(content.chars(), i);
  }
}

std::vector<Piece> AddedTokens::split(std::u32string text, const Normalizer* normalizer) const {
  std::vector<Piece> raw;
  split_piece(NormalizedString(std::move(text)), raw_, raw);
  std::vector<Piece> out;
  for (Piece& piece : raw) {
    if (piece.added_token) {
      out.push_back(std::move(piece));
      continue;
    }
    if (normalizer != nullptr) normalizer->apply(piece.text);
    split_piece(piece.text, normalized_, out);
  }
  return out;
}

void AddedTokens::split_piece(const NormalizedString& text, const Trie& trie, std::vector<Piece>& out) const {
  const std::u32string& chars = text.chars();
  std::size_t rest = 0;
  for (std::size_t at = 0; !trie.empty() && at < chars.size();) {
    const auto match = trie.longest(chars, at);
    if (!match) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[match->first];
    std::size_t begin = at;
    std::size_t end = at + match->second;
    at = end;
    const bool inside_word =
        (begin > 0 && is_word(chars[begin - 1])) || (end < chars.size() && is_word(chars[end]));
    if ((token.special && specials_are_text_) || (token.single_word && inside_word)) continue;
    while (token.lstrip && begin > rest && is_whitespace(chars[begin - 1])) --begin;
    while (token.rstrip && end < chars.size() && is_whitespace(chars[end])) ++end;
    if (rest < begin) out.push_back({text.slice(rest, begin), std::nullopt});
    out.push_back({text.slice(begin, end), token.id});
    rest = end;
  }
  if (rest < chars.size()) out.push_back({text.slice(rest, chars.size()), std::nullopt});
}

const AddedToken* AddedTokens::by_id(std::uint32_t id) const {
  const auto it = index_of_id_.find(id);
  return it == index_of_id_.end() ? nullptr : &tokens_[it->second];
}

const AddedToken* AddedTokens::by_content(std::string_view content) const {
  const auto it = index_of_content_.find(std::string(content));
  return it == index_of_content_.end() ? nullptr : &tokens_[it->second];
}

bool AddedTokens::is_special(std::string_view content) const {
  const AddedToken* token = by_content(content);
  return token != nullptr && token->special;
}

void AddedTokens::Trie::insert(std::u32string_view key, std::size_t value) {
  if (nodes_.empty()) nodes_.emplace_back();
  std::size_t node = 0;
  for (const char32_t c : key) {
    const auto [it, is_new] = nodes_[node].next.emplace(c, nodes_.size());
    node = it->second;
    if (is_new) nodes_.emplace_back();
  }
  nodes_[node].value = value;
}

std::optional<std::pair<std::size_t, std::size_t>> AddedTokens::Trie::longest(const std::u32string& text,
                                                                              std::size_t at) const {
  std::optional<std::pair<std::size_t, std::size_t>> best;
  std::size_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto it = nodes_[node].next.find(text[i]);
    if (it == nodes_[node].next.end()) break;
    node = it->second;
    if (nodes_[node].value) best = std::pair{*nodes_[node].value, i + 1 - at};
  }
  return best;
}

}  // namespace vulcap::tokenizer
