#include "loader/tasks/token_classifier.h"

#include <algorithm>

#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::loader {

TokenClassifier::TokenClassifier(const std::filesystem::path& dir, session::Device& device,
                                 const LoadOptions& options)
    : TextTask(dir, {"token classifier (input_ids -> logits)", {{"logits", 3}}}, device, options),
      labels_(read_label_set(encoder_.config(), "token-classification", encoder_.config_path())) {}

TokenizeOptions TokenClassifier::windows(const EntityOptions& options) const {
  TokenizeOptions tokenize;
  tokenize.truncation = tokenizer::TruncationStrategy::kLongestFirst;
  tokenize.max_length = options.max_length ? options.max_length : encoder_.tokenizer().model_max_length();
  if (!options.stride) return tokenize;
  tokenize.stride = *options.stride;
  if (options.aggregation == Aggregation::kNone)
    throw core::Error(core::ErrorCode::kUsage,
                      "stride joins entities of several windows, which aggregation_strategy none cannot; use "
                      "simple, first, average or max");
  if (!tokenize.max_length)
    throw core::Error(core::ErrorCode::kUsage,
                      "stride needs max_length, since the tokenizer states no model_max_length");
  if (*options.stride >= *tokenize.max_length)
    throw core::Error(core::ErrorCode::kUsage, "stride " + std::to_string(*options.stride) +
                                                   " must be less than the length of a window, " +
                                                   std::to_string(*tokenize.max_length));
  return tokenize;
}

std::vector<Entity> TokenClassifier::find_entities(const std::string& text, const EntityOptions& options,
                                                   size_t batch_size) {
  const std::u32string chars = tokenizer::to_code_points(text);
  std::vector<tokenizer::Encoding> rows = encoder_.encode(text, "", windows(options));
  const bool overlap = rows.size() > 1;
  encoder_.pad(rows);
  const auto join = [&](std::vector<std::string> tokens) {
    return encoder_.tokenizer().join_tokens(std::move(tokens));
  };
  std::vector<Entity> all;
  for (const TextRow& row : encoder_.run(std::move(rows), batch_size)) {
    const TextOutput& logits = row.token_output("logits");
    const size_t labels = size_t(logits.shape.at(1));
    check_label_count(labels_, labels);
    const auto tokens = score_tokens(row.encoding, logits.values, labels, chars, encoder_.tokenizer());
    for (Entity& entity : aggregate(tokens, options.aggregation, labels_.names, join)) {
      const auto& ignored = options.ignore_labels;
      if (std::find(ignored.begin(), ignored.end(), entity.label) == ignored.end())
        all.push_back(std::move(entity));
    }
  }
  return overlap ? without_overlaps(std::move(all)) : all;
}

}  // namespace vulcap::loader
