// Tasks image-to-text and image-text-to-text: {"image", "prompt"?} -> sequences, texts, sequences_scores.
// "merged_cases" are run with an adapter merged into the weights: VerifyOptions::adapter or the folder's.
#include <limits>

#include "loader/image/decode.h"
#include "loader/verify/pipeline.h"

namespace vulcap::loader {
namespace {

void compare_captions(const CaptionResult& result, const nlohmann::json& expected, double atol,
                      VerifyRow& row) {
  const auto& sequences = expected.at("sequences");
  const nlohmann::json texts = expected.value("texts", nlohmann::json::array());
  const nlohmann::json scores = expected.value("sequences_scores", nlohmann::json::array());
  if (sequences.size() != result.captions.size()) {
    row.note = "got " + std::to_string(result.captions.size()) + " captions, expected " +
               std::to_string(sequences.size());
    return;
  }
  for (size_t i = 0; i < result.captions.size(); ++i) {
    const Caption& caption = result.captions[i];
    if (nlohmann::json(caption.ids) != sequences[i])
      row.note = "ids " + nlohmann::json(caption.ids).dump() + ", expected " + sequences[i].dump();
    if (i < texts.size() && caption.text != texts[i].get<std::string>() && row.note.empty())
      row.note = "text '" + caption.text + "', expected " + texts[i].dump();
    if (i >= scores.size()) continue;
    const double score = caption.score.value_or(std::numeric_limits<float>::quiet_NaN());
    compare_number(score, scores[i].get<double>(), atol, "the score", row);
  }
}

// Cases that give arguments were made with these settings in place of the folder's, where they name no other;
// cases without arguments took all from generation_config.json.
GenerationFlags flags_of_case(const nlohmann::json& params) {
  GenerationFlags flags;
  if (!params.empty())
    flags = {{"num-beams", "1"}, {"no-repeat-ngram-size", "0"}, {"early-stopping", "false"}};
  const GenerationFlags given = flags_of(params);
  flags.insert(flags.end(), given.begin(), given.end());
  return flags;
}

void verify_caption(const PipelineRun& run, Captioner& captioner, const nlohmann::json& item,
                    const std::string& name) {
  verify_case(run, name, [&](VerifyRow& row) {
    const nlohmann::json& input = item.at("input");
    row.output = input.at("image").get<std::string>();
    std::vector<std::string> warnings;
    const auto flags = flags_of_case(item.value("params", nlohmann::json::object()));
    const auto config = captioner.generation_config(flags, warnings);
    const image::Image image = image::decode_file(find_input(run.dir, "images", row.output));
    const auto result = captioner.caption(image, {input.value("prompt", ""), ""}, config);
    compare_captions(result, item.at("expected"), item.value("atol", 1e-3), row);
  });
}

// The cases of one list, with the folder loaded for them.
int verify_list(const PipelineRun& run, const nlohmann::json& cases, const LoadOptions& load,
                const std::string& prefix) {
  std::unique_ptr<Captioner> captioner;
  if (!load_for_pipeline(run, [&] { captioner = load_captioner(run.dir, run.device, load); })) return 1;
  for (size_t i = 0; i < cases.size(); ++i)
    verify_caption(run, *captioner, cases[i], prefix + case_name(cases[i], i));
  return int(cases.size());
}

}  // namespace

int verify_captions(const PipelineRun& run) {
  const int rows = verify_list(run, run.pipeline.at("cases"), run.options.load, "") + verify_grounding(run);
  const auto merged = run.pipeline.find("merged_cases");
  if (merged == run.pipeline.end()) return rows;
  LoadOptions load = run.options.load;
  load.adapter = run.options.adapter.empty() ? run.dir / "adapter" : run.options.adapter;
  if (std::filesystem::is_directory(load.adapter)) return rows + verify_list(run, *merged, load, "adapter: ");
  VerifyRow row;
  row.subject = "pipeline/adapter";
  row.skipped = true;
  row.note = std::to_string(merged->size()) + " cases were made with an adapter, and the folder has no " +
             "adapter/; name it with --adapter";
  run.on_row(row);
  return rows + 1;
}

}  // namespace vulcap::loader
