// The text that Florence-2 generated becomes boxes, quads, polygons and labels, exactly as
// Florence2PostProcessor of transformers 4.57 reads it.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loader/grounding/answer.h"
#include "loader/grounding/locations.h"
#include "loader/grounding/pattern.h"

namespace vulcap::grounding {

class PostProcessor {
 public:
  PostProcessor();  // without settings
  // post_processor_config of processor_config.json. What is not honoured goes to `warnings`. Throws
  // core::Error(kInvalidModel) beginning with `file_name`.
  PostProcessor(const nlohmann::json& config, const std::string& file_name,
                std::vector<std::string>& warnings);

  // `text` is decoded with its special tokens; any bytes will do. `size`: of the image. Throws
  // core::Error(kRuntime) where the settings' own pattern cannot be used on it.
  Answer answer(AnswerType type, std::string_view text, const ImageSize& size) const;

 private:
  std::vector<Region> quads(const std::string& text, const ImageSize& size) const;
  std::vector<Region> regions(AnswerType type, const std::string& text, const ImageSize& size) const;

  std::shared_ptr<const Pattern> ocr_pattern_;
  double ocr_area_threshold_ = 0;  // the smallest quad, as a share of the image's area
  std::set<std::string> banned_phrases_;
};

}  // namespace vulcap::grounding
