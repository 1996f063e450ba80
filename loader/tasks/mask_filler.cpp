#include "loader/tasks/mask_filler.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "loader/text_tasks/label_scores.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

// Places of the `count` largest of the scores at `ids`; equal ones in the order of `ids`.
std::vector<std::int64_t> best_ids(std::span<const float> scores, std::vector<std::int64_t> ids,
                                   size_t count) {
  std::stable_sort(ids.begin(), ids.end(),
                   [&](std::int64_t a, std::int64_t b) { return scores[size_t(a)] > scores[size_t(b)]; });
  ids.resize(std::min(count, ids.size()));
  return ids;
}

}  // namespace

MaskFiller::MaskFiller(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options)
    : TextTask(dir, {"masked language model (input_ids -> logits)", {{"logits", 3}}}, device, options) {
  const auto mask = encoder_.tokenizer().special_id("mask_token");
  if (!mask)
    throw core::Error(core::ErrorCode::kInvalidModel,
                      dir.string() + ": the tokenizer names no mask_token, so there is nothing to fill in");
  mask_ = *mask;
}

std::string MaskFiller::mask_token() const { return encoder_.tokenizer().token_of(mask_).value_or(""); }

std::vector<std::int64_t> MaskFiller::target_ids(const std::vector<std::string>& targets) {
  const tokenizer::Tokenizer& tokenizer = encoder_.tokenizer();
  std::set<std::int64_t> ids;
  for (const std::string& target : targets) {
    auto id = tokenizer.id_of(target);
    if (!id) {
      tokenizer::EncodeOptions bare;
      bare.add_special_tokens = false;
      const auto tokens = tokenizer.encode(target, bare).ids;
      if (!tokens.empty()) id = tokens.front();
      remarks_.push_back("the target '" + target + "' is not in the vocabulary; " +
                         (id ? "'" + tokenizer.token_of(*id).value_or("") + "' is taken instead"
                             : std::string("it is left out")));
    }
    if (id) ids.insert(*id);
  }
  if (ids.empty()) throw core::Error(core::ErrorCode::kUsage, "none of the targets stands for a token");
  return {ids.begin(), ids.end()};
}

std::vector<std::int64_t> MaskFiller::candidates(const std::vector<std::string>& targets, size_t vocabulary) {
  std::vector<std::int64_t> ids;
  if (targets.empty()) {
    ids.resize(vocabulary);
    std::iota(ids.begin(), ids.end(), 0);
    return ids;
  }
  ids = target_ids(targets);
  if (size_t(ids.back()) < vocabulary) return ids;
  throw core::Error(core::ErrorCode::kInvalidModel, "the graph scores " + std::to_string(vocabulary) +
                                                        " tokens, fewer than the tokenizer has");
}

MaskFill MaskFiller::filled(const tokenizer::Encoding& encoding, size_t place, std::int64_t id,
                            bool skip_special_tokens) const {
  const tokenizer::Tokenizer& tokenizer = encoder_.tokenizer();
  std::vector<std::int64_t> ids(encoding.ids.begin(), encoding.ids.end());
  ids[place] = id;
  if (const auto pad = tokenizer.special_id("pad_token")) std::erase(ids, std::int64_t(*pad));
  MaskFill fill;
  fill.token = id;
  fill.token_text = tokenizer.decode(std::span(&id, 1), false);
  fill.sequence = tokenizer.decode(std::span<const std::int64_t>(ids), skip_special_tokens);
  return fill;
}

std::vector<std::vector<MaskFill>> MaskFiller::fill(const std::string& text, const FillOptions& options) {
  auto rows = encoder_.encode(text, "", options.tokenize);
  rows.resize(1);
  const auto masks = std::count(rows[0].ids.begin(), rows[0].ids.end(), mask_);
  if (masks == 0)
    throw core::Error(core::ErrorCode::kRuntime,
                      "no mask token " + mask_token() + " in the text '" + text + "'");
  const TextRow row = std::move(encoder_.run(std::move(rows)).front());
  const TextOutput& logits = row.token_output("logits");
  const auto vocabulary = size_t(logits.shape.at(1));
  const std::vector<std::int64_t> ids = candidates(options.targets, vocabulary);
  std::vector<std::vector<MaskFill>> results;
  for (size_t place = 0; place < row.encoding.size(); ++place) {
    if (row.encoding.ids[place] != mask_) continue;
    const auto scores = softmax(std::span(logits.values).subspan(place * vocabulary, vocabulary));
    results.emplace_back();
    for (const std::int64_t id : best_ids(scores, ids, options.top_k)) {
      results.back().push_back(filled(row.encoding, place, id, masks == 1));
      results.back().back().score = scores[size_t(id)];
    }
  }
  return results;
}

std::vector<std::string> MaskFiller::warnings() const {
  std::vector<std::string> all = TextTask::warnings();
  all.insert(all.end(), remarks_.begin(), remarks_.end());
  return all;
}

}  // namespace vulcap::loader
