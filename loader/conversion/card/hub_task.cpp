#include "loader/conversion/card/hub_task.h"

#include <algorithm>
#include <array>

#include "loader/read_json.h"

namespace vulcap::card {
namespace {

namespace fs = std::filesystem;

struct Row {
  std::string_view key, task;
};

// By model_type.
constexpr std::array kTypes = {
    Row{"vision-encoder-decoder", "image-to-text"},
    Row{"blip", "image-to-text"},
    Row{"git", "image-to-text"},
    Row{"prefix_conditioning_vlm", "image-to-text"},
    Row{"moondream1", "image-text-to-text"},
    Row{"llava", "image-text-to-text"},
    Row{"idefics3", "image-text-to-text"},
    Row{"smolvlm", "image-text-to-text"},
    Row{"paligemma", "image-text-to-text"},
    Row{"florence2", "image-text-to-text"},
    Row{"qwen2_vl", "image-text-to-text"},
    Row{"qwen2_5_vl", "image-text-to-text"},
    Row{"colpali", "visual-document-retrieval"},
    Row{"colqwen2", "visual-document-retrieval"},
    Row{"clip", "zero-shot-image-classification"},
    Row{"siglip", "zero-shot-image-classification"},
    Row{"whisper", "automatic-speech-recognition"},
    Row{"t5", "text2text-generation"},
    Row{"bart", "text2text-generation"},
};

// By the end of an architecture's name.
constexpr std::array kArchitectures = {
    Row{"ForImageClassification", "image-classification"},
    Row{"ForSequenceClassification", "text-classification"},
    Row{"ForTokenClassification", "token-classification"},
    Row{"ForQuestionAnswering", "question-answering"},
    Row{"ForMaskedLM", "fill-mask"},
    Row{"ForCausalLM", "text-generation"},
    Row{"LMHeadModel", "text-generation"},
};

constexpr std::array kUsages = {
    Row{"image-to-text", "vulcap caption -m MODEL photo.jpg"},
    Row{"image-text-to-text", "vulcap caption -m MODEL photo.jpg"},
    Row{"visual-document-retrieval", "vulcap search -m MODEL --query \"a question\" page.png"},
    Row{"zero-shot-image-classification", "vulcap classify -m MODEL photo.jpg --labels \"a cat,a dog\""},
    Row{"image-classification", "vulcap classify -m MODEL photo.jpg"},
    Row{"automatic-speech-recognition", "vulcap transcribe -m MODEL recording.wav"},
    Row{"text-generation", "vulcap generate -m MODEL \"Once upon a time\""},
    Row{"text2text-generation", "vulcap generate -m MODEL \"a text\""},
    Row{"text-classification", "vulcap classify -m MODEL \"a text\""},
    Row{"zero-shot-classification", "vulcap classify -m MODEL \"a text\" --labels \"one,another\""},
    Row{"token-classification", "vulcap ner -m MODEL \"a text\""},
    Row{"question-answering", "vulcap qa -m MODEL \"a question\" --context \"a text\""},
    Row{"fill-mask", "vulcap fill-mask -m MODEL \"a text with a [MASK]\""},
    Row{"feature-extraction", "vulcap embed -m MODEL --text \"a text\""},
    Row{"sentence-similarity", "vulcap embed -m MODEL --text \"a text\""},
};

template <typename Rows, typename Fits>
std::string_view find(const Rows& rows, const Fits& fits) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&fits](const Row& item) { return fits(item.key); });
  return row == rows.end() ? std::string_view() : row->task;
}

std::string expected_task(const fs::path& folder) {
  const fs::path path = folder / "expected/pipeline.json";
  if (!fs::exists(path)) return "";
  const auto answers = loader::read_json_object(path);
  const auto task = answers.find("task");
  return task != answers.end() && task->is_string() ? task->get<std::string>() : "";
}

std::string_view by_architecture(const nlohmann::json& config) {
  const auto names = config.find("architectures");
  if (names == config.end() || !names->is_array() || names->empty() || !names->front().is_string()) return "";
  const std::string name = names->front();
  return find(kArchitectures, [&name](std::string_view key) { return name.ends_with(key); });
}

}  // namespace

std::string hub_task(const fs::path& folder, const nlohmann::json& config) {
  if (fs::exists(folder / "modules.json")) return "sentence-similarity";
  const std::string tested = expected_task(folder);
  if (!usage_of(tested).empty()) return tested;
  const std::string type =
      config.value("model_type", nlohmann::json("")).is_string() ? config.value("model_type", "") : "";
  const std::string_view by_type = find(kTypes, [&type](std::string_view key) { return key == type; });
  return std::string(by_type.empty() ? by_architecture(config) : by_type);
}

std::string_view usage_of(std::string_view task) {
  return find(kUsages, [task](std::string_view key) { return key == task; });
}

}  // namespace vulcap::card
