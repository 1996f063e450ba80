// What pipeline.json holds beside the cases of Florence-2: "task_prompts" (text with a task token -> prompt)
// and "post_processing" (task, generated text, image size -> answer).
#include "loader/grounding/settings.h"
#include "loader/verify/pipeline.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

void verify_prompt(const PipelineRun& run, const grounding::Settings& settings, const nlohmann::json& item) {
  const std::string text = item.at("text").get<std::string>();
  verify_case(run, "prompt " + text, [&](VerifyRow& row) {
    const std::string got = settings.tasks.construct_prompt(text);
    const std::string want = item.at("expected").get<std::string>();
    if (got != want) row.note = "got '" + got + "', expected '" + want + "'";
  });
}

void verify_answer(const PipelineRun& run, const grounding::Settings& settings, const nlohmann::json& item) {
  const std::string task = item.at("task").get<std::string>();
  verify_case(run, "answer " + task, [&](VerifyRow& row) {
    const auto size = item.at("image_size").get<std::vector<int>>();
    row.output = nlohmann::json(size).dump();
    const grounding::Answer answer = settings.post_processor.answer(
        settings.tasks.find(task).answer, item.at("text").get<std::string>(), {size.at(0), size.at(1)});
    const nlohmann::json got{{task, grounding::reference_form(answer)}};
    // Where the reference fails there is nothing to compare with.
    if (item.contains("expected") && got != item["expected"])
      row.note = "got " + got.dump() + ", expected " + item["expected"].dump();
  });
}

}  // namespace

int verify_grounding(const PipelineRun& run) {
  const nlohmann::json none = nlohmann::json::array();
  const nlohmann::json prompts = run.pipeline.value("task_prompts", none);
  const nlohmann::json answers = run.pipeline.value("post_processing", none);
  if (prompts.empty() && answers.empty()) return 0;
  grounding::Settings settings;
  const bool loaded = load_for_pipeline(run, [&] {
    settings = grounding::read_settings(run.dir);
    const auto given = run.pipeline.find("post_processor_config");
    if (given != run.pipeline.end())
      settings.post_processor = grounding::PostProcessor(*given, "pipeline.json", settings.warnings);
  });
  if (!loaded) return 1;
  for (const auto& item : prompts) verify_prompt(run, settings, item);
  for (const auto& item : answers) verify_answer(run, settings, item);
  return int(prompts.size() + answers.size());
}

}  // namespace vulcap::loader
