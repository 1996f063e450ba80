// Images against texts: which of some labels fits an image, without training for them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "loader/embeddings/embedding.h"
#include "loader/image/image.h"
#include "loader/tasks/load_options.h"
#include "loader/text_tasks/label_scores.h"
#include "runtime/session/program.h"

namespace vulcap::loader {

// Of the pipeline in transformers 4.57.
inline constexpr const char* kImageHypothesis = "This is a photo of {}.";

// What CLIPModel and SiglipModel return; matrices are [images][texts].
struct ImageTextScores {
  std::vector<std::vector<float>> logits;
  std::vector<std::vector<float>> probabilities;  // softmax over the texts; SigLIP: sigmoid of each
};

class ZeroShotImageClassifier {
 public:
  virtual ~ZeroShotImageClassifier() = default;

  // Best first. Throws core::Error: kUsage without labels or for a template without {}, kRuntime for an image
  // that cannot be taken.
  std::vector<LabelScore> classify(const image::Image& image, const std::vector<std::string>& labels,
                                   const std::string& hypothesis_template);
  virtual ImageTextScores score(std::span<const image::Image> images, std::span<const std::string> texts) = 0;
  virtual std::vector<std::string> description() const = 0;
  virtual std::vector<std::string> warnings() const = 0;
  virtual Fallbacks fallbacks() const = 0;
};

// Whether config.json names a family of such models.
bool compares_images_with_texts(const std::filesystem::path& dir);

// CLIP or SigLIP with a graph that has logits_per_image. Throws core::Error(kInvalidModel).
std::unique_ptr<ZeroShotImageClassifier> load_zero_shot_image_classifier(const std::filesystem::path& dir,
                                                                         session::Device& device,
                                                                         const LoadOptions& options);

}  // namespace vulcap::loader
