#include "loader/tokenizer/bpe.h"

#include <mutex>
#include <queue>
#include <tuple>

#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

constexpr std::size_t kCacheCapacity = 10000;
constexpr std::size_t kLongestCachedWord = 256;

struct Symbol {
  std::uint32_t id;
  std::size_t length;  // bytes; 0 once merged into the symbol before
  int previous;
  int next;
};

struct Merge {
  std::uint32_t rank;
  std::uint32_t id;
};

std::uint64_t pair_key(std::uint32_t a, std::uint32_t b) { return (std::uint64_t{a} << 32) | b; }

using MergeMap = std::unordered_map<std::uint64_t, Merge>;

struct Word {
  std::vector<Symbol> symbols;

  void add(std::uint32_t id, std::size_t length) {
    const int at = static_cast<int>(symbols.size());
    if (at > 0) symbols.back().next = at;
    symbols.push_back({id, length, at - 1, -1});
  }
};

// Applies the best-ranked merges first; of equal ranks the leftmost.
class Merger {
 public:
  Merger(Word& word, const MergeMap& merges) : symbols_(word.symbols), merges_(merges) {}

  void run() {
    for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) push(static_cast<int>(i), static_cast<int>(i + 1));
    while (!queue_.empty()) {
      const auto [rank, at, id] = queue_.top();
      queue_.pop();
      apply(at, id);
    }
  }

 private:
  Symbol& symbol(int at) { return symbols_[static_cast<std::size_t>(at)]; }

  void push(int left, int right) {
    const auto it = merges_.find(pair_key(symbol(left).id, symbol(right).id));
    if (it != merges_.end()) queue_.push({it->second.rank, left, it->second.id});
  }

  void apply(int at, std::uint32_t id) {
    Symbol& left = symbol(at);
    if (left.length == 0 || left.next < 0) return;
    const Symbol right = symbol(left.next);
    // The entry is stale when the pair at this place has changed since.
    const auto it = merges_.find(pair_key(left.id, right.id));
    if (it == merges_.end() || it->second.id != id) return;
    symbol(left.next).length = 0;
    left.id = id;
    left.length += right.length;
    left.next = right.next;
    if (right.next >= 0) symbol(right.next).previous = at;
    if (left.previous >= 0) push(left.previous, at);
    if (left.next >= 0) push(at, left.next);
  }

  using Entry = std::tuple<std::uint32_t, int, std::uint32_t>;  // rank, place, new id
  std::vector<Symbol>& symbols_;
  const MergeMap& merges_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

std::string byte_token(unsigned char byte) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

class Bpe : public Model {
 public:
  Bpe(Vocabulary vocabulary, const MergeList& merges, BpeOptions options, const std::string& where)
      : options_(std::move(options)) {
    vocabulary_ = std::move(vocabulary);
    continuing_subword_prefix_ = options_.continuing_subword_prefix;
    if (options_.unk_token) unk_id_ = vocabulary_.id_of(*options_.unk_token);
    merges_.reserve(merges.size());
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      add_merge(merges[rank], static_cast<std::uint32_t>(rank), where);
    }
    if (options_.byte_fallback) find_byte_tokens();
  }

  void tokenize(const std::string& word, std::vector<Token>& out) const override {
    if (options_.ignore_merges) {
      if (const auto id = vocabulary_.id_of(word)) {
        out.push_back({*id, word, 0, word.size()});
        return;
      }
    }
    if (word.size() <= kLongestCachedWord && from_cache(word, out)) return;
    Word merged = first_symbols(word);
    Merger(merged, merges_).run();
    std::vector<std::pair<std::uint32_t, std::size_t>> result;
    for (const Symbol& s : merged.symbols) {
      if (s.length != 0) result.emplace_back(s.id, s.length);
    }
    put_tokens(result, out);
    if (word.size() <= kLongestCachedWord) to_cache(word, std::move(result));
  }

 private:
  using Result = std::vector<std::pair<std::uint32_t, std::size_t>>;  // id, bytes

  void add_merge(const std::pair<std::string, std::string>& merge, std::uint32_t rank,
                 const std::string& where) {
    const auto& [a, b] = merge;
    const std::string here = where + ".merges[" + std::to_string(rank) + "]";
    const std::size_t prefix = options_.continuing_subword_prefix.size();
    if (b.size() < prefix) fail_invalid(here, "'" + b + "' is shorter than continuing_subword_prefix");
    const auto id_a = vocabulary_.id_of(a);
    const auto id_b = vocabulary_.id_of(b);
    const auto id_new = vocabulary_.id_of(a + b.substr(prefix));
    if (!id_a || !id_b || !id_new) {
      fail_invalid(here, "'" + a + " " + b + "' uses tokens that are not in the vocabulary");
    }
    merges_[pair_key(*id_a, *id_b)] = {rank, *id_new};
  }

  void find_byte_tokens() {
    byte_ids_.resize(256);
    for (unsigned b = 0; b < 256; ++b)
      byte_ids_[b] = vocabulary_.id_of(byte_token(static_cast<unsigned char>(b)));
  }

  Word first_symbols(const std::string& word) const {
    Word out;
    out.symbols.reserve(word.size());
    std::size_t unk_length = 0;  // bytes of the unknown characters not yet added
    for (std::size_t at = 0; at < word.size();) {
      std::size_t end = at + 1;
      while (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80) ++end;
      const std::size_t length = end - at;
      std::string symbol = at > 0 ? options_.continuing_subword_prefix : std::string();
      symbol.append(word, at, length);
      if (end == word.size()) symbol += options_.end_of_word_suffix;
      at = end;
      if (const auto id = vocabulary_.id_of(symbol)) {
        flush_unknown(out, unk_length);
        out.add(*id, length);
      } else if (!add_bytes(symbol, out) && unk_id_) {
        if (!options_.fuse_unk) flush_unknown(out, unk_length);
        unk_length += length;
      }
    }
    flush_unknown(out, unk_length);
    return out;
  }

  void flush_unknown(Word& word, std::size_t& length) const {
    if (length > 0) word.add(*unk_id_, length);
    length = 0;
  }

  bool add_bytes(const std::string& symbol, Word& out) const {
    if (!options_.byte_fallback) return false;
    for (const char c : symbol) {
      if (!byte_ids_[static_cast<unsigned char>(c)]) return false;
    }
    for (const char c : symbol) out.add(*byte_ids_[static_cast<unsigned char>(c)], 1);
    return true;
  }

  void put_tokens(const Result& result, std::vector<Token>& out) const {
    std::size_t at = 0;
    for (const auto& [id, length] : result) {
      out.push_back({id, *vocabulary_.token_of(id), at, at + length});
      at += length;
    }
  }

  bool from_cache(const std::string& word, std::vector<Token>& out) const {
    const std::lock_guard lock(cache_mutex_);
    const auto it = cache_.find(word);
    if (it == cache_.end()) return false;
    put_tokens(it->second, out);
    return true;
  }

  void to_cache(const std::string& word, Result result) const {
    const std::lock_guard lock(cache_mutex_);
    if (cache_.size() < kCacheCapacity) cache_.emplace(word, std::move(result));
  }

  BpeOptions options_;
  std::optional<std::uint32_t> unk_id_;
  MergeMap merges_;
  std::vector<std::optional<std::uint32_t>> byte_ids_;
  mutable std::mutex cache_mutex_;
  mutable std::unordered_map<std::string, Result> cache_;
};

std::pair<std::string, std::string> read_merge(const Json& merge, const std::string& where) {
  if (merge.is_string()) return split_merge(merge.get<std::string>(), where);
  const bool is_pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
  if (!is_pair) fail_invalid(where, "a merge must be \"a b\" or [\"a\", \"b\"]");
  return {merge[0].get<std::string>(), merge[1].get<std::string>()};
}

void refuse_dropout(const Fields& fields) {
  if (!fields.has("dropout")) return;
  const Json& dropout = fields.require("dropout");
  if (!dropout.is_number()) fields.fail("field 'dropout' must be a number");
  if (dropout.get<double>() != 0.0) {
    fields.fail("dropout " + dropout.dump() + " makes tokens random, which is not supported; set it to null");
  }
}

}  // namespace

std::pair<std::string, std::string> split_merge(const std::string& line, const std::string& where) {
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
    fail_invalid(where, "merge '" + line + "' must be two tokens with one space between");
  }
  return {line.substr(0, space), line.substr(space + 1)};
}

std::unique_ptr<Model> make_bpe(const Fields& fields) {
  fields.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                     "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  refuse_dropout(fields);
  BpeOptions options;
  if (fields.has("unk_token")) options.unk_token = fields.string("unk_token");
  options.continuing_subword_prefix = fields.string_or("continuing_subword_prefix", "");
  options.end_of_word_suffix = fields.string_or("end_of_word_suffix", "");
  options.fuse_unk = fields.boolean_or("fuse_unk", false);
  options.byte_fallback = fields.boolean_or("byte_fallback", false);
  options.ignore_merges = fields.boolean_or("ignore_merges", false);
  MergeList merges;
  const Json& list = fields.array("merges");
  merges.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    merges.push_back(read_merge(list[i], fields.where() + ".merges[" + std::to_string(i) + "]"));
  }
  return make_bpe(read_vocabulary(fields.require("vocab"), fields.where() + ".vocab"), merges,
                  std::move(options), fields.where());
}

std::unique_ptr<Model> make_bpe(Vocabulary vocabulary, const MergeList& merges, BpeOptions options,
                                const std::string& where) {
  return std::make_unique<Bpe>(std::move(vocabulary), merges, std::move(options), where);
}

}  // namespace vulcap::tokenizer
