// Text -> entities: the pipeline token-classification of transformers 4.57.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "loader/families/text_encoder.h"
#include "loader/text_tasks/entities.h"
#include "loader/text_tasks/label_scores.h"

namespace vulcap::loader {

struct EntityOptions {
  Aggregation aggregation = Aggregation::kNone;
  std::vector<std::string> ignore_labels = {"O"};
  // Long texts are cut to max_length tokens (none: the tokenizer's model_max_length), or, with a stride, read
  // in windows that share so many tokens.
  std::optional<size_t> max_length;
  std::optional<size_t> stride;
};

// A folder with a graph of logits f[batch, length, labels].
class TokenClassifier : public TextTask {
 public:
  TokenClassifier(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options);

  // In the order of the text; windows are padded to the longest and run batch_size at a time. Throws
  // core::Error(kUsage) for a stride without aggregation, without a known length, or not below it.
  std::vector<Entity> find_entities(const std::string& text, const EntityOptions& options,
                                    size_t batch_size = 1);

 private:
  TokenizeOptions windows(const EntityOptions& options) const;

  LabelSet labels_;
};

}  // namespace vulcap::loader
