// Task image-classification: an image -> [{"label", "score"}, ...].
#include "loader/image/decode.h"
#include "loader/tasks/image_classifier.h"
#include "loader/tasks/pipeline_json.h"
#include "loader/verify/pipeline.h"
#include "loader/verify/pipeline_params.h"

namespace vulcap::loader {

int verify_image_classification(const PipelineRun& run) {
  std::unique_ptr<ImageClassifier> classifier;
  const bool loaded = load_for_pipeline(
      run, [&] { classifier = std::make_unique<ImageClassifier>(run.dir, run.device, run.options.load); });
  if (!loaded) return 1;
  const nlohmann::json& cases = run.pipeline.at("cases");
  for (size_t i = 0; i < cases.size(); ++i) {
    verify_case(run, case_name(cases[i], i), [&](VerifyRow& row) {
      row.output = cases[i].at("input").get<std::string>();
      PipelineParams params(cases[i]);
      ImageClassifyOptions options;
      options.top_k = params.get<size_t>("top_k").value_or(options.top_k);
      options.function = params.function_to_apply();
      params.check_all_taken();
      const image::Image image = image::decode_file(find_input(run.dir, "images", row.output));
      compare_result(labels_json(classifier->classify(image, options)), cases[i], row);
    });
  }
  return int(cases.size());
}

}  // namespace vulcap::loader
