// The prompt of a model that has a token for images: which text is asked, and how many image tokens stand in
// it. Follows the processors of transformers 4.57 (LLaVA, PaliGemma, Idefics3, SmolVLM) and Moondream's code.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "loader/chat/chat_template.h"
#include "loader/tokenizer/tokenizer.h"

namespace vulcap::loader {

// What an image became.
struct ImageFeatures {
  int64_t rows = 0;  // of all frames together
  int frames = 1;
  // Tiles among the frames; 0 where there are none.
  int frame_rows = 0;
  int frame_columns = 0;
};

class ImagePrompt {
 public:
  // `config` is config.json of `dir`. Throws core::Error(kInvalidModel) when neither it nor the tokenizer
  // names an image token.
  ImagePrompt(const std::filesystem::path& dir, const nlohmann::json& config,
              const tokenizer::Tokenizer& tokenizer);

  int64_t image_id() const { return image_id_; }
  // Whether transformers' generate() is given the prompt's ids, not embeddings alone.
  bool shows_ids() const { return style_ != Style::kMoondream; }
  // Position id of the first token.
  int64_t first_position() const { return style_ == Style::kPaliGemma ? 1 : 0; }
  // What is asked for a text without words, "" where the family needs none.
  std::string usual_question() const;
  // What is noteworthy about the rules, one line each.
  const std::vector<std::string>& remarks() const { return remarks_; }

  // The whole prompt's ids with image_id() features.rows times. A text with the image token in it is a prompt
  // as it stands, any other is what the user says: it is put into the family's or the folder's template.
  // Throws core::Error: kUsage when there is neither an image token nor a template, as the template throws
  // else.
  std::vector<int64_t> ids(const std::string& text, const ImageFeatures& features) const;

 private:
  enum class Style { kPlain, kMoondream, kPaliGemma, kFrames };

  std::string in_chat(const std::string& question) const;
  std::string in_template(const std::string& text) const;
  std::string image_text(const ImageFeatures& features) const;
  std::string expanded(const std::string& text, const ImageFeatures& features) const;

  const tokenizer::Tokenizer& tokenizer_;
  std::string folder_;
  Style style_ = Style::kPlain;
  int64_t image_id_ = 0;
  std::string image_token_;
  std::string bos_token_;  // "" when there is none
  std::optional<chat::ChatTemplate> chat_;
  std::vector<std::string> remarks_;
};

}  // namespace vulcap::loader
