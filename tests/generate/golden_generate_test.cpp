// Replays transformers.generate on toy models: greedy and beam search with all processors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "loader/generation_config.h"
#include "runtime/generate/generate.h"
#include "tests/generate/toy_model.h"

namespace vulcap {
namespace {

using Json = nlohmann::json;

generate::GenerationConfig config_of(const Json& params) {
  loader::GenerationSources sources;
  for (const auto& [name, value] : params.items()) {
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    sources.flags.emplace_back(flag, value.dump());
  }
  generate::GenerationConfig config = loader::load_generation_config(sources).config;
  config.output_scores = true;
  return config;
}

struct Outcome {
  std::vector<std::vector<int64_t>> ids;
  std::vector<float> scores;
};

Outcome run(const Json& tables, const Json& test, bool expands_prompt) {
  test::ToyModel model(tables.at(test.at("table").get<std::string>()), expands_prompt);
  const auto prompts = test.at("prompts").get<std::vector<std::vector<int64_t>>>();
  Outcome outcome;
  for (const auto& item : generate::generate(model, {prompts, prompts}, config_of(test.at("params")))) {
    for (const auto& sequence : item) {
      outcome.ids.push_back(sequence.ids);
      outcome.scores.push_back(sequence.score.value());
      EXPECT_LE(sequence.length, static_cast<int64_t>(sequence.ids.size()));
      EXPECT_GT(sequence.length, 0);
    }
  }
  return outcome;
}

void expect_equal(const Outcome& actual, const Json& test) {
  const auto ids = test.at("sequences").get<std::vector<std::vector<int64_t>>>();
  const Json& scores = test.at("scores");
  EXPECT_EQ(actual.ids, ids) << test.at("params").dump() << "\ngot " << Json(actual.ids) << "\nwant "
                             << Json(ids);
  ASSERT_EQ(actual.scores.size(), scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].is_null()) {
      EXPECT_TRUE(std::isnan(actual.scores[i])) << test.at("params").dump();
    } else {
      const float score = scores[i];
      EXPECT_NEAR(actual.scores[i], score, 1e-4F + 1e-5F * std::abs(score)) << test.at("params").dump();
    }
  }
}

class GoldenGenerate : public testing::TestWithParam<bool> {};

TEST_P(GoldenGenerate, SequencesAndScoresEqualTransformers) {
  const Json tables = test::read_golden("tables.json");
  const Json cases = test::read_golden("cases.json");
  ASSERT_GE(cases.size(), 500U);
  int beams = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    beams += cases[i].at("params").at("num_beams") > 1 ? 1 : 0;
    expect_equal(run(tables, cases[i], GetParam()), cases[i]);
  }
  EXPECT_GE(beams, 300);
  RecordProperty("cases", static_cast<int>(cases.size()));
}

INSTANTIATE_TEST_SUITE_P(PromptExpansion, GoldenGenerate, testing::Bool());

}  // namespace
}  // namespace vulcap
