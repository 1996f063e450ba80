// Tasks text-generation and text2text-generation: one text or a batch of them -> sequences, texts,
// sequences_scores and steps, [token, processed score, distance to the second] of each row; or new_ids and
// text of one greedy continuation. params.file names the graph where a folder has several.
#include <limits>

#include "loader/tasks/text_generator.h"
#include "loader/verify/pipeline.h"

namespace vulcap::loader {
namespace {

using Json = nlohmann::json;

void expect_json(const Json& got, const Json& want, const std::string& what, VerifyRow& row) {
  if (got != want && row.note.empty())
    row.note =
        what + " " + got.dump(-1, ' ', false, Json::error_handler_t::replace) + ", expected " + want.dump();
}

void compare_steps(const GeneratedText& text, const Json& want, double atol, VerifyRow& row) {
  if (text.tokens.size() < want.size()) {
    row.note = "ended after " + std::to_string(text.tokens.size()) + " tokens, expected " +
               std::to_string(want.size());
    return;
  }
  for (size_t i = 0; i < want.size(); ++i) {
    const ChosenToken& token = text.tokens[i];
    const std::string step = " of step " + std::to_string(i);
    expect_json(token.id, want[i].at(0), "token" + step, row);
    compare_number(token.score, number_of(want[i].at(1)), atol, "the score" + step, row);
    const double second = token.likely.size() > 1 ? double(token.likely[1].second) : std::nan("");
    const double distance = double(token.score) - second;
    // The reference writes 1e9 where all but one token are forbidden.
    const double told = std::isfinite(distance) ? distance : 1e9;
    compare_number(told, number_of(want[i].at(2)), 2 * atol, "the distance to the second" + step, row);
  }
}

void compare_all(const TextResult& result, const Json& expected, double atol, VerifyRow& row) {
  std::vector<const GeneratedText*> flat;
  for (const auto& texts : result.texts) {
    for (const GeneratedText& text : texts) flat.push_back(&text);
  }
  Json sequences = Json::array(), texts = Json::array();
  for (const GeneratedText* text : flat) {
    sequences.push_back(text->ids);
    texts.push_back(text->text);
  }
  expect_json(sequences, expected.at("sequences"), "ids", row);
  if (expected.contains("texts")) expect_json(texts, expected["texts"], "texts", row);
  const Json scores = expected.value("sequences_scores", Json::array());
  const Json steps = expected.value("steps", Json::array());
  for (size_t i = 0; i < flat.size(); ++i) {
    if (i < scores.size()) {
      const double score = flat[i]->score.value_or(std::numeric_limits<float>::quiet_NaN());
      compare_number(score, number_of(scores[i]), atol, "the score", row);
    }
    if (i < steps.size()) compare_steps(*flat[i], steps[i], atol, row);
  }
}

// The text holds special tokens.
void compare_continuation(const GeneratedText& text, const tokenizer::Tokenizer& tokenizer,
                          const Json& expected, VerifyRow& row) {
  const Json& ids = expected.at("new_ids");
  expect_json(text.new_ids, !ids.empty() && ids[0].is_array() ? ids[0] : ids, "ids", row);
  const std::span<const int64_t> new_ids(text.new_ids);
  if (expected.contains("text")) expect_json(tokenizer.decode(new_ids, false), expected["text"], "text", row);
}

std::vector<std::string> prompts_of(const Json& input) {
  if (input.is_array()) return input.get<std::vector<std::string>>();
  return {input.get<std::string>()};
}

// The generators of a folder, by the file that cases name.
class Generators {
 public:
  explicit Generators(const PipelineRun& run) : run_(run) {}

  TextGenerator& of(const std::string& file) {
    auto& generator = loaded_[file];
    if (!generator) {
      LoadOptions load = run_.options.load;
      load.file = file;
      generator = load_text_generator(run_.dir, run_.device, load);
    }
    return *generator;
  }

 private:
  const PipelineRun& run_;
  std::map<std::string, std::unique_ptr<TextGenerator>> loaded_;
};

void verify_text(const PipelineRun& run, Generators& generators, const Json& item, size_t index) {
  verify_case(run, case_name(item, index), [&](VerifyRow& row) {
    Json params = item.value("params", Json::object());
    const std::string file = params.value("file", "");
    params.erase("file");
    row.output = file;
    TextGenerator& generator = generators.of(file);
    std::vector<std::string> warnings;
    const auto config = generator.generation_config(flags_of(params), warnings);
    TextRequest request;
    request.prompts = prompts_of(item.at("input"));
    request.likely = 2;
    const TextResult result = generator.generate(request, config);
    const Json& expected = item.at("expected");
    const double atol = item.value("atol", 1e-3);
    if (expected.contains("sequences")) {
      compare_all(result, expected, atol, row);
    } else {
      compare_continuation(result.texts.at(0).at(0), generator.tokenizer(), expected, row);
    }
  });
}

}  // namespace

int verify_texts(const PipelineRun& run) {
  Generators generators(run);
  const Json& cases = run.pipeline.at("cases");
  for (size_t i = 0; i < cases.size(); ++i) verify_text(run, generators, cases[i], i);
  return int(cases.size());
}

}  // namespace vulcap::loader
