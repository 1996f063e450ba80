#include "loader/verify/pipeline.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "loader/read_json.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;

constexpr double kSmallestScore = 1e-3;

struct Task {
  std::string_view name;
  int (*verify)(const PipelineRun&);
};

constexpr Task kTasks[] = {
    {"automatic-speech-recognition", verify_transcriptions},
    {"image-to-text", verify_captions},
    {"image-text-to-text", verify_captions},
    {"text-classification", verify_text_classification},
    {"zero-shot-classification", verify_zero_shot_classification},
    {"multiple-choice", verify_multiple_choice},
    {"token-classification", verify_token_classification},
    {"question-answering", verify_question_answering},
    {"fill-mask", verify_fill_mask},
    {"feature-extraction", verify_features},
    {"image-classification", verify_image_classification},
    {"logits-processors", verify_logits_processors},
    {"text-generation", verify_texts},
    {"text2text-generation", verify_texts},
    {"zero-shot-image-classification", verify_image_text},
    {"sentence-similarity", verify_sentences},
    {"visual-document-retrieval", verify_documents},
};

}  // namespace

bool load_for_pipeline(const PipelineRun& run, const std::function<void()>& load) {
  try {
    load();
    return true;
  } catch (const core::Error& error) {
    VerifyRow row;
    row.subject = "pipeline";
    row.note = error.message();
    run.on_row(row);
    return false;
  }
}

void verify_case(const PipelineRun& run, const std::string& name,
                 const std::function<void(VerifyRow& row)>& check) {
  VerifyRow row;
  row.subject = "pipeline/" + name;
  try {
    check(row);
  } catch (const core::Error& error) {
    row.note = error.message();
  }
  row.pass = row.note.empty();
  run.on_row(row);
}

std::string case_name(const nlohmann::json& item, size_t index) {
  const auto name = item.find("name");
  return name != item.end() && name->is_string() ? name->get<std::string>() : std::to_string(index);
}

GenerationFlags flags_of(const nlohmann::json& params) {
  GenerationFlags flags;
  for (const auto& [name, value] : params.items()) {
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    flags.emplace_back(flag, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return flags;
}

fs::path find_input(const fs::path& dir, const std::string& kind, const std::string& name) {
  for (const fs::path& folder : {dir / "expected" / kind, dir / ".." / kind, dir / ".."}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  throw core::Error(core::ErrorCode::kInvalidModel,
                    "'" + name + "' is neither in expected/" + kind + " nor in ../" + kind);
}

double number_of(const nlohmann::json& value) {
  return value.is_string() ? std::strtod(value.get_ref<const std::string&>().c_str(), nullptr)
                           : value.get<double>();
}

void compare_number(double got, double want, double atol, const std::string& what, VerifyRow& row) {
  const bool same = got == want || (std::isnan(got) && std::isnan(want));
  const double difference = same ? 0 : std::abs(got - want);
  const bool close = same || difference <= atol;  // false for a NaN
  if (!close && row.note.empty())
    row.note = what + " is " + std::to_string(got) + ", expected " + std::to_string(want);
  row.max_abs = std::max(row.max_abs, std::isnan(difference) ? INFINITY : difference);
  row.max_rel = std::max(row.max_rel, row.max_abs / std::max(std::abs(want), kSmallestScore));
}

int verify_pipeline(const fs::path& dir, session::Device& device, const VerifyOptions& options,
                    const OnRow& on_row) {
  const fs::path path = dir / "expected" / "pipeline.json";
  if (!fs::exists(path)) return 0;
  const PipelineRun run{dir, read_json_object(path), device, options, on_row};
  const std::string name = run.pipeline.at("task").get<std::string>();
  for (const Task& task : kTasks) {
    if (task.name == name) return task.verify(run);
  }
  VerifyRow row;
  row.subject = "pipeline";
  row.note = "cases of the task '" + name + "' cannot be verified";
  on_row(row);
  return 1;
}

}  // namespace vulcap::loader
