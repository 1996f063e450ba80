// Tokens that are cut out of the text before the model sees it (field "added_tokens").
// Follows AddedVocabulary of Hugging Face tokenizers 0.22.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loader/tokenizer/normalizer.h"
#include "loader/tokenizer/piece.h"

namespace vulcap::tokenizer {

struct AddedToken {
  std::string content;
  std::uint32_t id = 0;
  bool single_word = false;  // only where no word character is next to it
  bool lstrip = false;       // takes the white space on its left
  bool rstrip = false;       // takes the white space on its right
  bool normalized = true;    // searched in the normalised text, by its normalised content
  bool special = false;      // left out by decode(skip_special_tokens)
};

// Reads one element of "added_tokens".
AddedToken read_added_token(const Fields& fields);

class AddedTokens {
 public:
  // A token already known by content is replaced. Tokens with empty content are ignored.
  void add(AddedToken token);

  // Must be called after the last add(); `normalizer` may be null. With `specials_are_text` no special token
  // is found.
  void build_index(const Normalizer* normalizer, bool specials_are_text);

  // Cuts the text at the tokens and normalises the rest.
  std::vector<Piece> split(std::u32string text, const Normalizer* normalizer) const;

  const AddedToken* by_id(std::uint32_t id) const;
  const AddedToken* by_content(std::string_view content) const;
  const std::vector<AddedToken>& all() const { return tokens_; }
  bool is_special(std::string_view content) const;

 private:
  // Leftmost-longest search over code points.
  class Trie {
   public:
    void insert(std::u32string_view key, std::size_t value);
    // Longest key that begins at `at`: its value and length.
    std::optional<std::pair<std::size_t, std::size_t>> longest(const std::u32string& text,
                                                               std::size_t at) const;
    bool empty() const { return nodes_.empty(); }

   private:
    struct Node {
      std::unordered_map<char32_t, std::size_t> next;
      std::optional<std::size_t> value;
    };
    std::vector<Node> nodes_;
  };

  void split_piece(const NormalizedString& text, const Trie& trie, std::vector<Piece>& out) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, std::size_t> index_of_content_;
  std::unordered_map<std::uint32_t, std::size_t> index_of_id_;
  Trie raw_;
  Trie normalized_;
  bool specials_are_text_ = false;
};

}  // namespace vulcap::tokenizer
