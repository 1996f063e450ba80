// Turns one word into tokens (field "model").
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loader/tokenizer/json_fields.h"
#include "loader/tokenizer/piece.h"

namespace vulcap::tokenizer {

// Token <-> id, both ways.
class Vocabulary {
 public:
  // The first token of an id names it.
  void add(std::string token, std::uint32_t id);
  std::optional<std::uint32_t> id_of(std::string_view token) const;
  const std::string* token_of(std::uint32_t id) const;  // null when the id is not known
  std::size_t size() const { return ids_.size(); }
  void reserve(std::size_t count);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<std::uint32_t, const std::string*>
      tokens_;  // keys of ids_, whose addresses do not change
};

// Reads {"token": id, ...}.
Vocabulary read_vocabulary(const Json& object, const std::string& where);

class Model {
 public:
  virtual ~Model() = default;
  // Appends the tokens of one word (UTF-8, not empty). Safe to call from several threads.
  virtual void tokenize(const std::string& word, std::vector<Token>& out) const = 0;
  const Vocabulary& vocabulary() const { return vocabulary_; }
  // What tokens inside a word begin with, "##"; empty where they look like any other.
  const std::string& continuing_subword_prefix() const { return continuing_subword_prefix_; }

 protected:
  Vocabulary vocabulary_;
  std::string continuing_subword_prefix_;
};

// Throws core::Error(kInvalidModel). Files without "type" are told apart by their fields, as serde's untagged
// enum does.
std::unique_ptr<Model> make_model(const Fields& fields);

}  // namespace vulcap::tokenizer
