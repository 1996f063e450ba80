#include "loader/tasks/zero_shot_image_classifier.h"

#include <nlohmann/json.hpp>

#include "loader/families/embedders.h"
#include "loader/families/model_folder.h"
#include "loader/text_tasks/zero_shot.h"
#include "runtime/core/error.h"

namespace vulcap::loader {

std::vector<LabelScore> ZeroShotImageClassifier::classify(const image::Image& image,
                                                          const std::vector<std::string>& labels,
                                                          const std::string& hypothesis_template) {
  if (labels.empty()) throw core::Error(core::ErrorCode::kUsage, "no labels to choose from");
  std::vector<std::string> texts;
  for (const std::string& label : labels) texts.push_back(fill_template(hypothesis_template, label));
  return ranked(labels, score(std::span(&image, 1), texts).probabilities.at(0), std::nullopt);
}

bool compares_images_with_texts(const std::filesystem::path& dir) {
  const std::string type = model_type(read_config(dir));
  return type == "clip" || type == "siglip";
}

std::unique_ptr<ZeroShotImageClassifier> load_zero_shot_image_classifier(const std::filesystem::path& dir,
                                                                         session::Device& device,
                                                                         const LoadOptions& options) {
  const nlohmann::json config = read_config(dir);
  if (compares_images_with_texts(dir)) return load_image_text_scorer(dir, config, device, options);
  throw core::Error(core::ErrorCode::kInvalidModel,
                    (dir / "config.json").string() + ": model_type '" + model_type(config) +
                        "' does not compare images with texts; supported: clip, siglip");
}

}  // namespace vulcap::loader
