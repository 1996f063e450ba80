#include "loader/tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

constexpr double kUnkPenalty = 10.0;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

std::size_t char_length(char lead) {
  const auto b = static_cast<unsigned char>(lead);
  return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

// Byte trie over the pieces.
class PieceTrie {
 public:
  void insert(std::string_view piece, std::uint32_t id) {
    std::size_t node = 0;
    for (const char c : piece) {
      const std::uint64_t key = edge(node, c);
      const auto [it, is_new] = edges_.emplace(key, ids_.size());
      if (is_new) ids_.push_back(-1);
      node = it->second;
    }
    ids_[node] = id;
  }

  // Calls visit(length, row) for every piece that `text` begins with, shortest first.
  template <class Visit>
  void prefixes(std::string_view text, Visit visit) const {
    std::size_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto it = edges_.find(edge(node, text[i]));
      if (it == edges_.end()) return;
      node = it->second;
      if (ids_[node] >= 0) visit(i + 1, static_cast<std::uint32_t>(ids_[node]));
    }
  }

 private:
  static std::uint64_t edge(std::size_t node, char c) {
    return (std::uint64_t{node} << 8) | static_cast<unsigned char>(c);
  }

  std::unordered_map<std::uint64_t, std::size_t> edges_;
  std::vector<std::int64_t> ids_ = {-1};
};

class Unigram : public Model {
 public:
  explicit Unigram(const Fields& fields) : byte_fallback_(fields.boolean_or("byte_fallback", false)) {
    const Json& vocab = fields.array("vocab");
    const bool own_ids = fields.has("ids");
    if (own_ids) vocabulary_ = read_vocabulary(fields.require("ids"), fields.where() + ".ids");
    vocabulary_.reserve(vocab.size());
    double lowest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < vocab.size(); ++i) {
      const Json& row = vocab[i];
      if (!row.is_array() || row.size() != 2 || !row[0].is_string() ||
          !(row[1].is_number() || row[1].is_null())) {
        fields.fail("vocab[" + std::to_string(i) + "] must be [token, score]");
      }
      const auto token = row[0].get<std::string>();
      if (!own_ids) vocabulary_.add(token, static_cast<std::uint32_t>(i));
      scores_.push_back(row[1].is_null() ? 0.0 : row[1].get<double>());
      if (row[1].is_null()) continue;  // no text is cut into it
      trie_.insert(token, static_cast<std::uint32_t>(i));
      lowest = std::min(lowest, scores_.back());
    }
    unk_score_ = lowest - kUnkPenalty;
    if (fields.has("unk_id")) unk_row_ = fields.uint32("unk_id");
    if (unk_row_ && *unk_row_ >= scores_.size()) fields.fail("unk_id is outside the vocabulary");
    unk_id_ = unk_row_;
    if (own_ids) unk_id_ = vocabulary_.id_of(fields.string("unk_token"));
    if (own_ids && !unk_id_) fields.fail("unk_token is not in ids");
  }

  void tokenize(const std::string& word, std::vector<Token>& out) const override {
    const std::vector<Node> best = best_paths(word);
    std::vector<std::pair<std::size_t, std::size_t>> pieces;  // last first
    bool previous_unknown = false;
    for (std::size_t end = word.size(); end > 0; end = best[end].begin) {
      const bool unknown = unk_row_ && best[end].row == *unk_row_;
      if (unknown && previous_unknown) {
        pieces.back().first = best[end].begin;
      } else {
        pieces.emplace_back(best[end].begin, end);
      }
      previous_unknown = unknown;
    }
    for (auto it = pieces.rbegin(); it != pieces.rend(); ++it) put(word, it->first, it->second, out);
  }

 private:
  struct Node {
    std::uint32_t row = 0;
    double score = 0.0;
    std::size_t begin = kNone;
  };

  // best[i] ends at byte i of the word.
  std::vector<Node> best_paths(const std::string& word) const {
    std::vector<Node> best(word.size() + 1);
    const auto offer = [&](std::size_t begin, std::size_t end, std::uint32_t row, double score) {
      Node& node = best[end];
      if (node.begin == kNone || score > node.score) node = {row, score, begin};
    };
    for (std::size_t at = 0; at < word.size();) {
      const double score_here = best[at].score;
      const std::size_t length = std::min(char_length(word[at]), word.size() - at);
      bool single = false;
      trie_.prefixes(std::string_view(word).substr(at), [&](std::size_t n, std::uint32_t row) {
        offer(at, at + n, row, scores_[row] + score_here);
        single = single || n == length;
      });
      if (!single) {
        if (!unk_row_) throw_unknown(word.substr(at, length));
        offer(at, at + length, *unk_row_, unk_score_ + score_here);
      }
      at += length;
    }
    return best;
  }

  [[noreturn]] static void throw_unknown(const std::string& character) {
    throw core::Error(core::ErrorCode::kInvalidModel, "tokenizer.json: model: '" + character +
                                                          "' is not in the vocabulary and unk_id is missing");
  }

  void put(const std::string& word, std::size_t begin, std::size_t end, std::vector<Token>& out) const {
    const std::string piece = word.substr(begin, end - begin);
    if (const auto id = vocabulary_.id_of(piece)) {
      out.push_back({*id, piece, begin, end});
    } else if (!put_bytes(piece, begin, end, out)) {
      if (!unk_id_) throw_unknown(piece);
      out.push_back({*unk_id_, piece, begin, end});
    }
  }

  bool put_bytes(const std::string& piece, std::size_t begin, std::size_t end,
                 std::vector<Token>& out) const {
    if (!byte_fallback_) return false;
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::vector<Token> tokens;
    for (const char c : piece) {
      const auto byte = static_cast<unsigned char>(c);
      std::string token = std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
      const auto id = vocabulary_.id_of(token);
      if (!id) return false;
      tokens.push_back({*id, std::move(token), begin, end});
    }
    out.insert(out.end(), tokens.begin(), tokens.end());
    return true;
  }

  bool byte_fallback_;
  PieceTrie trie_;
  std::vector<double> scores_;  // by row of "vocab"
  std::optional<std::uint32_t> unk_row_;
  std::optional<std::uint32_t> unk_id_;  // the row, unless "ids" numbers the tokens
  double unk_score_ = 0.0;
};

}  // namespace

std::unique_ptr<Model> make_unigram(const Fields& fields) {
  fields.allow_only({"type", "unk_id", "vocab", "byte_fallback", "ids", "unk_token"});
  return std::make_unique<Unigram>(fields);
}

}  // namespace vulcap::tokenizer
