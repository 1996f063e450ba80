// Image -> labels with scores: the pipeline image-classification of transformers 4.57.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/image/preprocess.h"
#include "loader/model_dir.h"
#include "loader/tasks/load_options.h"
#include "loader/text_tasks/label_scores.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

struct ImageClassifyOptions {
  std::optional<ScoreFunction> function;  // none: as problem_type and the number of labels say
  size_t top_k = 5;
};

// A folder with a graph of pixel_values -> logits f[batch, labels]: ViT, ResNet, ConvNeXt, MobileNet and
// others.
class ImageClassifier {
 public:
  ImageClassifier(const std::filesystem::path& dir, session::Device& device, const LoadOptions& options);

  // Best first.
  std::vector<LabelScore> classify(const image::Image& image, const ImageClassifyOptions& options);

  std::vector<std::string> description() const { return {description_}; }
  std::vector<std::string> warnings() const { return warnings_; }
  Fallbacks fallbacks() const;

 private:
  image::PreprocessConfig preprocess_;
  LabelSet labels_;
  std::unique_ptr<session::Session> session_;
  std::string description_;
  std::vector<std::string> warnings_;
};

// What ImageClassifier looks for.
Role image_classifier_role();

}  // namespace vulcap::loader
