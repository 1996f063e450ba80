#include "loader/families/retrieval_prompts.h"

#include <algorithm>

#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using nlohmann::json;

constexpr int kAugmentation = 10;  // pad tokens behind a query, room in which the model may think on
constexpr const char* kDescribe = "Describe the image.";

std::string setting(const json& settings, const char* key, const std::string& fallback) {
  const auto found = settings.find(key);
  return found != settings.end() && found->is_string() ? found->get<std::string>() : fallback;
}

// {} where the file is missing.
json read_settings(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_json_object(path) : json::object();
}

bool names_processor(const std::filesystem::path& dir) {
  const char* files[] = {"processor_config.json", "preprocessor_config.json", "tokenizer_config.json"};
  return std::any_of(std::begin(files), std::end(files), [&](const char* file) {
    return !setting(read_settings(dir / file), "processor_class", "").empty();
  });
}

std::string special_token(const tokenizer::Tokenizer& tokenizer, const char* role) {
  if (const auto id = tokenizer.special_id(role)) return *tokenizer.token_of(*id);
  throw core::Error(core::ErrorCode::kInvalidModel,
                    std::string("tokenizer_config.json: names no ") + role + ", which the prompts need");
}

std::string augmentation(const tokenizer::Tokenizer& tokenizer) {
  std::string text;
  for (int i = 0; i < kAugmentation; ++i) text += special_token(tokenizer, "pad_token");
  return text;
}

}  // namespace

RetrievalPrompts read_retrieval_prompts(const std::filesystem::path& dir, RetrievalFamily family,
                                        const tokenizer::Tokenizer& tokenizer, const std::string& image_token,
                                        std::vector<std::string>& warnings) {
  const bool usual = names_processor(dir);
  if (!usual) {
    warnings.push_back(dir.string() +
                       ": no settings file names a processor_class; prompts are taken without the query "
                       "prefix, the pad tokens and the line ends that the family's processor writes");
  }
  const json settings = read_settings(dir / "processor_config.json");
  RetrievalPrompts prompts;
  if (usual) prompts.query_end = augmentation(tokenizer);
  if (family == RetrievalFamily::kColPali) {
    const std::string bos = special_token(tokenizer, "bos_token");
    prompts.image = image_token + bos + setting(settings, "visual_prompt_prefix", kDescribe);
    prompts.query_start = prompts.document_start = bos;
    if (usual) {
      prompts.image += "\n";
      prompts.query_prefix = setting(settings, "query_prefix", "Question: ");
      prompts.query_end += "\n";
    }
    return prompts;
  }
  const std::string vision = "<|vision_start|>" + image_token + "<|vision_end|>" + kDescribe;
  prompts.image = "<|im_start|>" + vision;
  if (usual) {
    prompts.image =
        setting(settings, "visual_prompt_prefix", "<|im_start|>user\n" + vision + "<|im_end|><|endoftext|>");
    prompts.query_prefix = setting(settings, "query_prefix", "Query: ");
  }
  return prompts;
}

}  // namespace vulcap::loader
