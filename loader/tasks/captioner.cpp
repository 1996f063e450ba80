#include "loader/tasks/captioner.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "loader/families/families.h"
#include "loader/families/model_folder.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

struct Family {
  std::string_view model_type;
  std::unique_ptr<Captioner> (*load)(const std::filesystem::path&, const nlohmann::json&, session::Device&,
                                     const LoadOptions&);
};

constexpr Family kCaptionFamilies[] = {
    {"vision-encoder-decoder", load_vision_encoder_decoder},
    {"blip", load_blip},
    {"git", load_git},
    {"prefix_conditioning_vlm", load_prefix_vlm},
    {"moondream1", load_image_text_decoder},
    {"llava", load_image_text_decoder},
    {"idefics3", load_image_text_decoder},
    {"smolvlm", load_image_text_decoder},
    {"paligemma", load_image_text_decoder},
    {"florence2", load_florence2},
    {"qwen2_vl", load_image_text_decoder},
    {"qwen2_5_vl", load_image_text_decoder},
};

const Family* find_family(const std::string& type) {
  const auto found = std::find_if(std::begin(kCaptionFamilies), std::end(kCaptionFamilies),
                                  [&](const Family& family) { return family.model_type == type; });
  return found == std::end(kCaptionFamilies) ? nullptr : found;
}

bool names_image_token(const nlohmann::json& config) {
  return first_integer(config, {"image_token_id", "image_token_index"}).has_value();
}

}  // namespace

bool is_captioner(const std::filesystem::path& dir) {
  const nlohmann::json config = read_config(dir);
  return find_family(model_type(config)) != nullptr || names_image_token(config);
}

std::unique_ptr<Captioner> load_captioner(const std::filesystem::path& dir, session::Device& device,
                                          const LoadOptions& options) {
  const nlohmann::json config = read_config(dir);
  const std::string type = model_type(config);
  if (const Family* family = find_family(type)) return family->load(dir, config, device, options);
  if (names_image_token(config)) return load_image_text_decoder(dir, config, device, options);
  std::string known;
  for (const Family& family : kCaptionFamilies)
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  throw core::Error(core::ErrorCode::kInvalidModel, (dir / "config.json").string() + ": model_type '" + type +
                                                        "' cannot caption here; supported: " + known +
                                                        ", and others whose config names an image token");
}

}  // namespace vulcap::loader
