#include "loader/families/image_prompt.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

constexpr const char* kUsualImageToken = "<image>";
constexpr const char* kFakeToken = "<fake_token_around_image>";
constexpr const char* kGlobalToken = "<global-img>";
// What is asked when nobody asks.
constexpr const char* kUsualQuestion = "Describe this image.";

[[noreturn]] void invalid(const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, message);
}

std::string repeated(const std::string& text, int64_t times) {
  std::string result;
  for (int64_t i = 0; i < times; ++i) result += text;
  return result;
}

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace

ImagePrompt::ImagePrompt(const std::filesystem::path& dir, const nlohmann::json& config,
                         const tokenizer::Tokenizer& tokenizer)
    : tokenizer_(tokenizer), folder_(dir.string()) {
  const std::string type = model_type(config);
  if (type == "moondream1") style_ = Style::kMoondream;
  if (type == "paligemma") style_ = Style::kPaliGemma;
  if (type == "idefics3" || type == "smolvlm") style_ = Style::kFrames;
  const bool known = type == "llava" || type == "qwen2_vl" || type == "qwen2_5_vl";
  if (style_ == Style::kPlain && !known) {
    remarks_.push_back("model_type '" + type +
                       "' has no rules of its own here: image features take the place of the image token");
  }
  if (style_ == Style::kPlain || style_ == Style::kFrames) chat_ = chat::load_chat_template(dir);
  const std::string file = (dir / "config.json").string();
  auto id = first_integer(config, {"image_token_id", "image_token_index"});
  if (!id && tokenizer.id_of(kUsualImageToken)) id = *tokenizer.id_of(kUsualImageToken);
  if (!id) {
    invalid(file + ": names no image token (image_token_id or image_token_index) and the tokenizer has no '" +
            kUsualImageToken + "', so the image has no place in the prompt");
  }
  const auto token = *id < 0 || *id > UINT32_MAX ? std::nullopt : tokenizer.token_of(uint32_t(*id));
  if (!token) invalid(file + ": the image token " + std::to_string(*id) + " is not in the tokenizer");
  image_id_ = *id;
  image_token_ = *token;
  if (const auto bos = tokenizer.special_id("bos_token")) bos_token_ = tokenizer.token_of(*bos).value_or("");
  for (const char* needed : {kFakeToken, kGlobalToken}) {
    if (style_ == Style::kFrames && !tokenizer.id_of(needed))
      invalid(folder_ + ": the tokenizer lacks '" + needed + "', which " + type + " puts around images");
  }
}

std::string ImagePrompt::usual_question() const { return style_ == Style::kPaliGemma ? "" : kUsualQuestion; }

// A user's message of the image and the question, answered next.
std::string ImagePrompt::in_chat(const std::string& question) const {
  const chat::Json image{{"type", "image"}}, text{{"type", "text"}, {"text", question}};
  const chat::Json message{{"role", "user"}, {"content", chat::Json::array({image, text})}};
  chat::RenderOptions options;
  options.add_generation_prompt = true;
  return chat_->render(chat::Json::array({message}), options);
}

std::string ImagePrompt::in_template(const std::string& text) const {
  if (style_ == Style::kPaliGemma) return image_token_ + text;
  const std::string question = text.empty() ? usual_question() : text;
  if (style_ == Style::kMoondream) return image_token_ + "\n\nQuestion: " + question + "\n\nAnswer:";
  if (chat_) return in_chat(question);
  throw core::Error(core::ErrorCode::kUsage,
                    folder_ + " has no chat template; write the whole prompt, with '" + image_token_ +
                        "' where the image belongs: --prompt '" + image_token_ + " ...'");
}

// What stands in the prompt for the image.
std::string ImagePrompt::image_text(const ImageFeatures& features) const {
  if (style_ != Style::kFrames) return repeated(image_token_, features.rows);
  const std::string frame = repeated(image_token_, features.rows / features.frames);
  std::string text;
  for (int row = 1; row <= features.frame_rows; ++row) {
    for (int column = 1; column <= features.frame_columns; ++column) {
      text += std::string(kFakeToken) + "<row_" + std::to_string(row) + "_col_" + std::to_string(column) +
              ">" + frame;
    }
    text += "\n";
  }
  if (features.frame_rows > 0) text += "\n";
  return text + kFakeToken + kGlobalToken + frame + kFakeToken;
}

std::string ImagePrompt::expanded(const std::string& text, const ImageFeatures& features) const {
  if (occurrences(text, image_token_) != 1) {
    throw core::Error(core::ErrorCode::kUsage, "the prompt holds '" + image_token_ + "' " +
                                                   std::to_string(occurrences(text, image_token_)) +
                                                   " times; there is one image, name it once");
  }
  const size_t at = text.find(image_token_);
  const std::string before = text.substr(0, at), after = text.substr(at + image_token_.size());
  if (style_ == Style::kPaliGemma) return before + image_text(features) + bos_token_ + after + "\n";
  return before + image_text(features) + after;
}

std::vector<int64_t> ImagePrompt::ids(const std::string& text, const ImageFeatures& features) const {
  const bool is_whole = text.find(image_token_) != std::string::npos;
  const std::string whole = expanded(is_whole ? text : in_template(text), features);
  tokenizer::EncodeOptions options;
  const bool has_bos = !bos_token_.empty() && whole.starts_with(bos_token_);
  options.add_special_tokens = style_ != Style::kPaliGemma && !(chat_ && !is_whole && has_bos);
  const tokenizer::Encoding encoding = tokenizer_.encode(whole, options);
  return {encoding.ids.begin(), encoding.ids.end()};
}

}  // namespace vulcap::loader
