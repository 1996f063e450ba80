#include "loader/tokenizer/encoding.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

[[noreturn]] void fail(const std::string& message) { throw core::Error(core::ErrorCode::kRuntime, message); }

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

template <class T>
std::vector<T> cut(const std::vector<T>& from, std::size_t begin, std::size_t end) {
  return {from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(end)};
}

Encoding window(const Encoding& e, std::size_t begin, std::size_t end) {
  Encoding out;
  out.ids = cut(e.ids, begin, end);
  out.tokens = cut(e.tokens, begin, end);
  out.offsets = cut(e.offsets, begin, end);
  out.type_ids = cut(e.type_ids, begin, end);
  out.attention_mask = cut(e.attention_mask, begin, end);
  out.special_tokens_mask = cut(e.special_tokens_mask, begin, end);
  out.word_ids = cut(e.word_ids, begin, end);
  out.sequence_ids = cut(e.sequence_ids, begin, end);
  return out;
}

void append_tokens(Encoding& to, const Encoding& from) {
  append(to.ids, from.ids);
  append(to.tokens, from.tokens);
  append(to.offsets, from.offsets);
  append(to.type_ids, from.type_ids);
  append(to.attention_mask, from.attention_mask);
  append(to.special_tokens_mask, from.special_tokens_mask);
  append(to.word_ids, from.word_ids);
  append(to.sequence_ids, from.sequence_ids);
}

Encoding joined(const Encoding& a, const Encoding& b) {
  Encoding out = window(a, 0, a.size());
  append_tokens(out, b);
  return out;
}

// Windows of `length` tokens, `stride` of them shared with the window before, counted from the kept side.
std::vector<std::pair<std::size_t, std::size_t>> windows(std::size_t size, const Truncation& t,
                                                         std::size_t length) {
  const std::size_t step = length - t.stride;
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t at = 0; at < size; at += step) {
    const std::size_t end = std::min(at + length, size);
    out.emplace_back(at, end);
    if (end == size) break;
  }
  if (t.side == Side::kLeft) {
    for (auto& [begin, end] : out) std::tie(begin, end) = std::pair{size - end, size - begin};
  }
  return out;
}

void truncate_one(Encoding& e, std::size_t length, const Truncation& t) {
  if (length >= e.size()) return;
  if (length == 0) {
    Encoding empty;
    empty.overflowing.push_back(std::move(e));
    e = std::move(empty);
    return;
  }
  if (t.stride >= length) {
    fail("truncation stride " + std::to_string(t.stride) + " must be less than the " +
         std::to_string(length) + " tokens left for the text; lower the stride or raise max_length");
  }
  const auto ranges = windows(e.size(), t, length);
  Encoding out = window(e, ranges[0].first, ranges[0].second);
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    out.overflowing.push_back(window(e, ranges[i].first, ranges[i].second));
  }
  e = std::move(out);
}

void truncate_longest_first(Encoding& first, Encoding& second, const Truncation& t) {
  std::size_t shorter = std::min(first.size(), second.size());
  std::size_t longer = shorter > t.max_length ? shorter : std::max(shorter, t.max_length - shorter);
  if (shorter + longer > t.max_length) {
    shorter = t.max_length / 2;
    longer = shorter + t.max_length % 2;
  }
  const bool swapped = first.size() > second.size();
  truncate_one(first, swapped ? longer : shorter, t);
  truncate_one(second, swapped ? shorter : longer, t);
}

template <class T>
void pad_list(std::vector<T>& list, std::size_t count, const T& value, Side side) {
  list.insert(side == Side::kLeft ? list.begin() : list.end(), count, value);
}

void pad_one(Encoding& e, std::size_t length, const Padding& p) {
  for (Encoding& o : e.overflowing) pad_one(o, length, p);
  if (e.size() >= length) return;
  const std::size_t count = length - e.size();
  pad_list(e.ids, count, p.id, p.side);
  pad_list(e.tokens, count, p.token, p.side);
  pad_list(e.offsets, count, Span{}, p.side);
  pad_list(e.type_ids, count, p.type_id, p.side);
  pad_list(e.attention_mask, count, 0u, p.side);
  pad_list(e.special_tokens_mask, count, 1u, p.side);
  pad_list(e.word_ids, count, -1, p.side);
  pad_list(e.sequence_ids, count, -1, p.side);
}

}  // namespace

void Encoding::push(std::uint32_t id, std::string token, Span offset, std::uint32_t type_id,
                    std::int32_t word_id) {
  ids.push_back(id);
  tokens.push_back(std::move(token));
  offsets.push_back(offset);
  type_ids.push_back(type_id);
  attention_mask.push_back(1);
  special_tokens_mask.push_back(0);
  word_ids.push_back(word_id);
  sequence_ids.push_back(-1);
}

void Encoding::push_special(std::uint32_t id, const std::string& token, std::uint32_t type_id) {
  push(id, token, Span{}, type_id, -1);
  special_tokens_mask.back() = 1;
}

void Encoding::set_type_ids(std::uint32_t type_id) { std::fill(type_ids.begin(), type_ids.end(), type_id); }

void Encoding::set_sequence_id(std::int32_t sequence_id) {
  std::fill(sequence_ids.begin(), sequence_ids.end(), sequence_id);
  for (Encoding& o : overflowing) o.set_sequence_id(sequence_id);
}

void Encoding::merge(const Encoding& other) {
  std::vector<Encoding> all;
  for (const Encoding& mine : overflowing) {
    all.push_back(joined(mine, other));
    for (const Encoding& theirs : other.overflowing) all.push_back(joined(mine, theirs));
  }
  for (const Encoding& theirs : other.overflowing) all.push_back(joined(*this, theirs));
  append_tokens(*this, other);
  overflowing = std::move(all);
}

void truncate(Encoding& first, Encoding* second, const Truncation& t) {
  const std::size_t total = first.size() + (second != nullptr ? second->size() : 0);
  if (t.max_length == 0) {
    truncate_one(first, 0, t);
    if (second != nullptr) truncate_one(*second, 0, t);
    return;
  }
  if (total <= t.max_length) return;
  const std::size_t excess = total - t.max_length;
  if (t.strategy == TruncationStrategy::kLongestFirst) {
    if (second != nullptr) {
      truncate_longest_first(first, *second, t);
    } else {
      truncate_one(first, t.max_length, t);
    }
    return;
  }
  Encoding* target = t.strategy == TruncationStrategy::kOnlyFirst ? &first : second;
  if (target == nullptr) fail("truncation only_second needs a second text; use longest_first or only_first");
  if (target->size() <= excess) {
    fail("the text to truncate has " + std::to_string(target->size()) + " tokens but " +
         std::to_string(excess) + " must go; raise max_length or truncate longest_first");
  }
  truncate_one(*target, target->size() - excess, t);
}

void pad(std::vector<Encoding>& batch, const Padding& padding) {
  std::size_t length = 0;
  for (const Encoding& e : batch) length = std::max(length, e.size());
  if (padding.fixed_length) length = *padding.fixed_length;
  if (padding.multiple_of > 0 && length % padding.multiple_of > 0) {
    length += padding.multiple_of - length % padding.multiple_of;
  }
  for (Encoding& e : batch) pad_one(e, length, padding);
}

}  // namespace vulcap::tokenizer
