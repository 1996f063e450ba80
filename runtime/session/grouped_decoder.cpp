#include "runtime/session/grouped_decoder.h"

#include <algorithm>
#include <map>

namespace vulcap::session {

GroupedDecoder::GroupedDecoder(std::function<std::unique_ptr<Decoder>()> make) : make_(std::move(make)) {
  decoders_.push_back(make_());
}

void GroupedDecoder::reserve(int64_t positions) {
  positions_ = std::max(positions_, positions);
  for (const auto& decoder : decoders_) decoder->reserve(positions_);
}

void GroupedDecoder::prepare(const EncoderOutput& states, int rows) {
  decoders_.front()->prepare(states, rows);
}

void GroupedDecoder::start(const EncoderOutput& states) {
  groups_.clear();
  decoders_.front()->start(states);
}

void GroupedDecoder::add_group(Group rows) {
  groups_.push_back(std::move(rows));
  if (groups_.size() > decoders_.size()) {
    decoders_.push_back(make_());
    decoders_.back()->reserve(positions_);
  }
  decoders_[groups_.size() - 1]->start({});
}

void GroupedDecoder::group_by_padding(std::span<const int32_t> padding, int rows) {
  std::map<int32_t, Group> by_padding;
  for (int32_t row = 0; row < rows; ++row)
    by_padding[padding.empty() ? 0 : padding[size_t(row)]].push_back(row);
  for (auto& [front, group] : by_padding) add_group(std::move(group));
}

std::vector<std::vector<int32_t>> GroupedDecoder::regroup(int rows, std::span<const int32_t> reorder) {
  std::vector<std::vector<int32_t>> reorders(groups_.size());
  if (reorder.empty()) return reorders;
  std::vector<Group> next(groups_.size());
  for (int32_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      const auto from = std::find(groups_[i].begin(), groups_[i].end(), reorder[size_t(row)]);
      if (from == groups_[i].end()) continue;
      next[i].push_back(row);
      reorders[i].push_back(int32_t(from - groups_[i].begin()));
    }
  }
  groups_ = std::move(next);
  return reorders;
}

void GroupedDecoder::step_group(size_t index, const Tokens& tokens, int rows, int length,
                                std::span<const int32_t> reorder) {
  const Group& group = groups_[index];
  const std::span<const std::byte> all = tokens.bytes();
  const size_t row_bytes = all.size() / size_t(rows);
  const int front = tokens.padding.empty() ? 0 : tokens.padding[size_t(group.front())];
  const size_t skipped = row_bytes / size_t(length) * size_t(front);
  std::vector<int64_t> own((row_bytes - skipped) * group.size() / sizeof(int64_t) + 1);
  std::byte* to = reinterpret_cast<std::byte*>(own.data());
  for (const int32_t row : group) {
    const auto from = all.subspan(size_t(row) * row_bytes + skipped, row_bytes - skipped);
    to = std::copy(from.begin(), from.end(), to);
  }
  Tokens given{std::span<const int64_t>()};
  const size_t bytes = (row_bytes - skipped) * group.size();
  if (tokens.embeds.empty()) {
    given.ids = std::span(own).first(bytes / sizeof(int64_t));
  } else {
    given.embeds = std::as_bytes(std::span(own)).first(bytes);
  }
  const auto logits = decoders_[index]->step(given, int(group.size()), length - front, reorder);
  const auto vocab = static_cast<std::ptrdiff_t>(logits.size() / group.size());
  for (size_t i = 0; i < group.size(); ++i)
    std::copy_n(logits.begin() + std::ptrdiff_t(i) * vocab, vocab, logits_.begin() + group[i] * vocab);
}

std::span<const float> GroupedDecoder::step(const Tokens& tokens, int rows, int length,
                                            std::span<const int32_t> reorder) {
  std::vector<std::vector<int32_t>> reorders;
  if (groups_.empty()) {
    group_by_padding(tokens.padding, rows);
    reorders.resize(groups_.size());
  } else {
    reorders = regroup(rows, reorder);
  }
  logits_.resize(size_t(rows) * size_t(vocab()));
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (!groups_[i].empty()) step_group(i, tokens, rows, length, reorders[i]);
  }
  return logits_;
}

std::vector<const plan::Plan*> GroupedDecoder::plans() const {
  std::vector<const plan::Plan*> result;
  for (const auto& decoder : decoders_) {
    const auto plans = decoder->plans();
    result.insert(result.end(), plans.begin(), plans.end());
  }
  return result;
}

}  // namespace vulcap::session
