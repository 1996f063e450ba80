// End-to-end cases of expected/pipeline.json: {"task": ..., "cases": [{"name", "input", "params", "expected",
// "atol"}, ...]}. One function a task, found by the task's name. Internal to loader/verify.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "loader/verify/verify.h"

namespace vulcap::loader {

struct PipelineRun {
  std::filesystem::path dir;
  nlohmann::json pipeline;  // the whole file
  session::Device& device;
  VerifyOptions options;
  OnRow on_row;
};

// Returns how many rows were made. Errors of one case are failed rows.
int verify_pipeline(const std::filesystem::path& dir, session::Device& device, const VerifyOptions& options,
                    const OnRow& on_row);

// --- what the tasks share ---
// Loads by calling `load`; its core::Error becomes a failed row "pipeline" and false.
bool load_for_pipeline(const PipelineRun& run, const std::function<void()>& load);
// Calls `check` for a row "pipeline/<name>" and reports it; a core::Error becomes the row's note. A row
// without a note passes.
void verify_case(const PipelineRun& run, const std::string& name,
                 const std::function<void(VerifyRow& row)>& check);
// A case's name, or its number where it has none.
std::string case_name(const nlohmann::json& item, size_t index);
// generate() arguments of transformers as command-line flags.
GenerationFlags flags_of(const nlohmann::json& params);
// In expected/<kind> of the folder, else in ../<kind>, the images or audio that several folders share, else
// in
// .. for a name with a folder.
std::filesystem::path find_input(const std::filesystem::path& dir, const std::string& kind,
                                 const std::string& name);
// A JSON number, or the text "inf", "-inf" or "nan", which JSON has no numbers for.
double number_of(const nlohmann::json& value);
// Takes one number into the row: max_abs, max_rel, and a note when they differ by more than `atol` or one
// alone is no number.
void compare_number(double got, double want, double atol, const std::string& what, VerifyRow& row);

// One a task; each returns how many rows it made.
int verify_captions(const PipelineRun& run);
int verify_transcriptions(const PipelineRun& run);
int verify_text_classification(const PipelineRun& run);
int verify_zero_shot_classification(const PipelineRun& run);
int verify_multiple_choice(const PipelineRun& run);
int verify_token_classification(const PipelineRun& run);
int verify_question_answering(const PipelineRun& run);
int verify_fill_mask(const PipelineRun& run);
int verify_text_features(const PipelineRun& run);
int verify_image_classification(const PipelineRun& run);
int verify_logits_processors(const PipelineRun& run);
int verify_texts(const PipelineRun& run);
// The parts of Florence-2 that need no graph; 0 rows where the file has none.
int verify_grounding(const PipelineRun& run);
int verify_image_text(const PipelineRun& run);
// Of texts, or of pairs of images and texts.
int verify_features(const PipelineRun& run);
int verify_sentences(const PipelineRun& run);
int verify_documents(const PipelineRun& run);

}  // namespace vulcap::loader
