// check_folder: which tasks config.json speaks for, and whether the folder can be loaded for them.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "loader/conversion/check.h"
#include "loader/families/model_folder.h"
#include "loader/tasks/captioner.h"
#include "loader/tasks/embedder.h"
#include "loader/tasks/image_classifier.h"
#include "loader/tasks/mask_filler.h"
#include "loader/tasks/question_answerer.h"
#include "loader/tasks/text_classifier.h"
#include "loader/tasks/text_generator.h"
#include "loader/tasks/token_classifier.h"
#include "loader/tasks/transcriber.h"
#include "runtime/core/error.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;
using Task = FolderCheck::Task;
using Load = void (*)(const fs::path&, session::Device&, Task&);

void take_lines(const auto& object, Task& task) {
  task.files = object.description();
  task.warnings = object.warnings();
}

template <typename Object>
void load_object(const fs::path& folder, session::Device& device, Task& task) {
  take_lines(Object(folder, device, loader::LoadOptions()), task);
}

template <auto kFunction>
void load_by(const fs::path& folder, session::Device& device, Task& task) {
  take_lines(*kFunction(folder, device, loader::LoadOptions()), task);
}

// What an architecture of config.json ends with, and which command it speaks for.
struct Architecture {
  std::string_view ending, command;
  Load load;
};
constexpr Architecture kArchitectures[] = {
    {"ForSequenceClassification", "classify", load_object<loader::TextClassifier>},
    {"ForTokenClassification", "ner", load_object<loader::TokenClassifier>},
    {"ForQuestionAnswering", "qa", load_object<loader::QuestionAnswerer>},
    {"ForMaskedLM", "fill-mask", load_object<loader::MaskFiller>},
    {"ForImageClassification", "classify", load_object<loader::ImageClassifier>},
    {"WhisperForConditionalGeneration", "transcribe", load_by<loader::load_transcriber>},
    {"ForConditionalGeneration", "generate", load_by<loader::load_text_generator>},
    {"ForCausalLM", "generate", load_by<loader::load_text_generator>},
    {"LMHeadModel", "generate", load_by<loader::load_text_generator>},
    {"MTModel", "generate", load_by<loader::load_text_generator>},
    {"Model", "embed", load_by<loader::load_embedder>},
    {"ForRetrieval", "embed", load_by<loader::load_embedder>},
};

void try_task(std::string_view command, Load load, session::Device& device, FolderCheck& check) {
  Task task{std::string(command), {}, {}, {}};
  try {
    load(check.path, device, task);
  } catch (const core::Error& error) {
    task.problem = error.message();
  }
  check.tasks.push_back(std::move(task));
}

void try_architectures(const nlohmann::json& config, session::Device& device, FolderCheck& check) {
  const auto architectures = config.find("architectures");
  if (architectures == config.end() || !architectures->is_array()) return;
  for (const nlohmann::json& item : *architectures) {
    if (!item.is_string()) continue;
    const auto& name = item.get_ref<const std::string&>();
    const auto found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                    [&](const Architecture& known) { return name.ends_with(known.ending); });
    if (found != std::end(kArchitectures)) try_task(found->command, found->load, device, check);
  }
}

}  // namespace

FolderCheck check_folder(const fs::path& folder, session::Device& device) {
  FolderCheck check;
  check.path = folder;
  loader::list_onnx_files(folder);
  if (fs::exists(folder / "modules.json")) {
    try_task("embed", load_by<loader::load_embedder>, device, check);
    return check;
  }
  if (!fs::exists(folder / "config.json")) {
    check.findings.push_back({false, "no config.json: its graphs run (vulcap run), but no task can be told"});
    return check;
  }
  try {
    const nlohmann::json config = loader::read_config(folder);
    check.model_type = loader::model_type(config);
    if (loader::is_captioner(folder)) {
      try_task("caption", load_by<loader::load_captioner>, device, check);
    } else {
      try_architectures(config, device, check);
    }
    if (check.tasks.empty())
      check.findings.push_back({false, "config.json speaks for no task that is known here (model_type '" +
                                           check.model_type + "')"});
  } catch (const core::Error& error) {
    check.findings.push_back({true, error.message()});
  }
  return check;
}

}  // namespace vulcap::conversion
