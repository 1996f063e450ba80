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

std::vector<std::vector<MaskFill>> MaskFiller::fill(const std::string& text, const FillOptions& options) {
  const tokenizer::Tokenizer& tokenizer = encoder_.tokenizer();
  auto rows = encoder_.encode(text, "", options.tokenize);
  rows.resize(1);
  const size_t masks = size_t(std::count(rows[0].ids.begin(), rows[0].ids.end(), mask_));
  if (masks == 0)
    throw core::Error(core::ErrorCode::kRuntime,
                      "no mask token " + mask_token() + " in the text '" + text + "'");
  std::vector<std::int64_t> candidates;
  if (!options.targets.empty()) candidates = target_ids(options.targets);
  const TextRow row = std::move(encoder_.run(std::move(rows)).front());
  const TextOutput& logits = row.output("logits");
  const size_t vocabulary = size_t(logits.shape.at(1));
  if (options.targets.empty()) {
    candidates.resize(vocabulary);
    std::iota(candidates.begin(), candidates.end(), 0);
  } else if (size_t(candidates.back()) >= vocabulary) {
    throw core::Error(core::ErrorCode::kInvalidModel, "the graph scores " + std::to_string(vocabulary) +
                                                          " tokens, fewer than the tokenizer has");
  }
  const auto pad = tokenizer.special_id("pad_token");
  std::vector<std::vector<MaskFill>> results;
  for (size_t place = 0; place < row.encoding.size(); ++place) {
    if (row.encoding.ids[place] != mask_) continue;
    const auto scores = softmax(std::span(logits.values).subspan(place * vocabulary, vocabulary));
    std::vector<MaskFill> fills;
    for (const std::int64_t id : best_ids(scores, candidates, options.top_k)) {
      std::vector<std::int64_t> ids(row.encoding.ids.begin(), row.encoding.ids.end());
      ids[place] = id;
      if (pad) std::erase(ids, std::int64_t(*pad));
      fills.push_back({scores[size_t(id)], id, tokenizer.decode(std::span(&id, 1), false),
                       tokenizer.decode(std::span<const std::int64_t>(ids), masks == 1)});
    }
    results.push_back(std::move(fills));
  }
  return results;
}

std::vector<std::string> MaskFiller::warnings() const {
  std::vector<std::string> all = TextTask::warnings();
  all.insert(all.end(), remarks_.begin(), remarks_.end());
  return all;
}

}  // namespace vulcap::loader
