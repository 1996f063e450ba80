// Tasks that score texts: cases {"input", "params", "expected", "atol", "rtol"} with what the pipelines of
// transformers return.
#include "loader/tasks/feature_extractor.h"
#include "loader/tasks/pipeline_json.h"
#include "loader/tasks/question_answerer.h"
#include "loader/tasks/text_classifier.h"
#include "loader/tasks/token_classifier.h"
#include "loader/verify/pipeline.h"
#include "loader/verify/pipeline_params.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using nlohmann::json;

// `answer` gives what the pipeline returns for one input.
template <typename Task>
int verify_each(const PipelineRun& run,
                json (*answer)(Task& task, const json& input, PipelineParams& params)) {
  std::unique_ptr<Task> task;
  const bool loaded =
      load_for_pipeline(run, [&] { task = std::make_unique<Task>(run.dir, run.device, run.options.load); });
  if (!loaded) return 1;
  const json& cases = run.pipeline.at("cases");
  for (size_t i = 0; i < cases.size(); ++i) {
    verify_case(run, case_name(cases[i], i), [&](VerifyRow& row) {
      PipelineParams params(cases[i]);
      const json got = answer(*task, cases[i].at("input"), params);
      params.check_all_taken();
      compare_result(got, cases[i], row);
    });
  }
  return int(cases.size());
}

// Texts that the pipeline takes: one, a pair as an object, or a list of those.
json for_each_input(const json& input, const std::function<json(const json&)>& answer) {
  if (!input.is_array()) return answer(input);
  json results = json::array();
  for (const json& item : input) results.push_back(answer(item));
  return results;
}

json classify(TextClassifier& task, const json& input, PipelineParams& params) {
  ClassifyOptions options;
  const bool legacy = !params.has("top_k");
  const auto top_k = params.get<size_t>("top_k");
  if (!legacy) options.top_k = top_k;
  options.function = params.function_to_apply();
  options.tokenize = params.tokenize();
  const json result = for_each_input(input, [&](const json& item) {
    TextInput text{item.is_object() ? item.at("text").get<std::string>() : item.get<std::string>(), ""};
    if (item.is_object()) text.pair = item.value("text_pair", "");
    const json labels = labels_json(task.classify(std::span(&text, 1), options).front());
    return legacy ? labels.at(0) : labels;
  });
  return legacy && input.is_string() ? json::array({result}) : result;
}

json classify_zero_shot(TextClassifier& task, const json& input, PipelineParams& params) {
  ZeroShotOptions options;
  const auto labels =
      params.get<std::vector<std::string>>("candidate_labels").value_or(std::vector<std::string>());
  options.multi_label = params.get<bool>("multi_label").value_or(false);
  options.hypothesis_template =
      params.get<std::string>("hypothesis_template").value_or(options.hypothesis_template);
  return for_each_input(input, [&](const json& text) {
    return zero_shot_json(text, task.classify_zero_shot(text.get<std::string>(), labels, options));
  });
}

json choose(ChoiceClassifier& task, const json& input, PipelineParams& params) {
  const auto choices = input.at("choices").get<std::vector<std::string>>();
  return choice_json(task.choose(input.at("prompt").get<std::string>(), choices, params.tokenize()));
}

json find_entities(TokenClassifier& task, const json& input, PipelineParams& params) {
  EntityOptions options;
  options.aggregation = aggregation_named(params.get<std::string>("aggregation_strategy").value_or("none"));
  options.ignore_labels =
      params.get<std::vector<std::string>>("ignore_labels").value_or(options.ignore_labels);
  options.max_length = params.get<size_t>("model_max_length");
  options.stride = params.get<size_t>("stride");
  return for_each_input(input, [&](const json& text) {
    return entities_json(task.find_entities(text.get<std::string>(), options));
  });
}

json answer_question(QuestionAnswerer& task, const json& input, PipelineParams& params) {
  QuestionOptions options;
  options.top_k = params.get<size_t>("top_k").value_or(options.top_k);
  options.max_answer_len = params.get<size_t>("max_answer_len").value_or(options.max_answer_len);
  options.handle_impossible_answer = params.get<bool>("handle_impossible_answer").value_or(false);
  options.align_to_words = params.get<bool>("align_to_words").value_or(true);
  options.max_seq_len = params.get<size_t>("max_seq_len");
  options.doc_stride = params.get<size_t>("doc_stride");
  params.get<size_t>("max_question_len");  // the pipeline reads it for slow tokenizers alone
  return for_each_input(input, [&](const json& item) {
    return answers_json(
        task.answer(item.at("question").get<std::string>(), item.at("context").get<std::string>(), options));
  });
}

json fill_masks(MaskFiller& task, const json& input, PipelineParams& params) {
  FillOptions options;
  options.top_k = params.get<size_t>("top_k").value_or(options.top_k);
  const json targets = params.get<json>("targets").value_or(json::array());
  for (const json& target : targets.is_array() ? targets : json::array({targets}))
    options.targets.push_back(target.get<std::string>());
  return for_each_input(
      input, [&](const json& text) { return fills_json(task.fill(text.get<std::string>(), options)); });
}

json features(FeatureExtractor& task, const json& input, PipelineParams& params) {
  const TokenizeOptions tokenize = params.tokenize();
  return for_each_input(input, [&](const json& text) {
    const TextOutput states = task.features(text.get<std::string>(), tokenize);
    json rows = json::array();
    const auto width = std::ptrdiff_t(states.shape.at(1));
    for (auto at = states.values.begin(); at != states.values.end(); at += width)
      rows.push_back(std::vector<float>(at, at + width));
    return json::array({rows});
  });
}

}  // namespace

int verify_text_classification(const PipelineRun& run) { return verify_each<TextClassifier>(run, classify); }
int verify_zero_shot_classification(const PipelineRun& run) {
  return verify_each<TextClassifier>(run, classify_zero_shot);
}
int verify_multiple_choice(const PipelineRun& run) { return verify_each<ChoiceClassifier>(run, choose); }
int verify_token_classification(const PipelineRun& run) {
  return verify_each<TokenClassifier>(run, find_entities);
}
int verify_question_answering(const PipelineRun& run) {
  return verify_each<QuestionAnswerer>(run, answer_question);
}
int verify_fill_mask(const PipelineRun& run) { return verify_each<MaskFiller>(run, fill_masks); }
int verify_text_features(const PipelineRun& run) { return verify_each<FeatureExtractor>(run, features); }

}  // namespace vulcap::loader
