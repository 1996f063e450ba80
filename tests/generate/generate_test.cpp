// What the goldens do not reach: sampling, hooks, refusals, and requests that must not be slow.
#include "runtime/generate/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "runtime/core/error.h"
#include "runtime/generate/sampling.h"
#include "runtime/generate/softmax.h"
#include "runtime/generate/top_k.h"
#include "tests/generate/toy_model.h"

namespace vulcap::generate {
namespace {

class FixedModel : public StepModel {
 public:
  explicit FixedModel(std::vector<float> logits) : row_(std::move(logits)) {}
  int vocab_size() const override { return static_cast<int>(row_.size()); }
  std::span<const float> step(std::span<const int64_t>, int rows, int, std::span<const int32_t>) override {
    ++calls;
    output_.clear();
    for (int row = 0; row < rows; ++row) output_.insert(output_.end(), row_.begin(), row_.end());
    if (truncated) output_.pop_back();
    return output_;
  }
  int calls = 0;
  bool truncated = false;

 private:
  std::vector<float> row_;
  std::vector<float> output_;
};

GenerationConfig new_tokens(int64_t count) {
  GenerationConfig config;
  config.max_new_tokens = count;
  return config;
}

std::string error_of(StepModel& model, const Prompts& prompts, const GenerationConfig& config) {
  try {
    generate(model, prompts, config);
  } catch (const core::Error& error) {
    return error.message();
  }
  return "";
}

TEST(Generate, DefaultIsTwentyNewTokensUnlessMaxLengthIsGiven) {
  FixedModel model({0.0F, 1.0F});
  GenerationConfig config;
  EXPECT_EQ(generate(model, {{{1, 1, 1}}, {}}, config)[0][0].ids.size(), 23U);
  config.max_position_embeddings = 10;
  EXPECT_EQ(generate(model, {{{1, 1, 1}}, {}}, config)[0][0].ids.size(), 10U);
  config.max_length_given = true;
  EXPECT_EQ(generate(model, {{{1, 1, 1}}, {}}, config)[0][0].ids.size(), 20U);
  config.max_new_tokens = 2;
  EXPECT_EQ(generate(model, {{{1, 1, 1}}, {}}, config)[0][0].ids.size(), 5U);
}

TEST(Generate, EmbeddedPromptsCountInLengthsButAreNotReturned) {
  FixedModel model({0.0F, 1.0F});
  GenerationConfig config;
  const Prompts prompts{.ids = {{}}, .encoder_ids = {}, .embedded = 7};
  for (const int beams : {1, 2}) {
    config.num_beams = beams;
    EXPECT_EQ(generate(model, prompts, config)[0][0].ids, std::vector<int64_t>(13, 1));
  }
  config.max_length = 7;
  EXPECT_EQ(error_of(model, prompts, config),
            "the prompt has 7 tokens but max_length is 7: raise max_length or set max_new_tokens");
  config.max_new_tokens = 2;
  EXPECT_EQ(generate(model, prompts, config)[0][0].ids, std::vector<int64_t>(2, 1));
}

TEST(Generate, GreedyScoreIsOptional) {
  FixedModel model({0.0F, 1.0F});
  EXPECT_FALSE(generate(model, {{{1}}, {}}, new_tokens(2))[0][0].score.has_value());
}

TEST(Generate, TokensAreStreamedUntilTheEndToken) {
  FixedModel model({0.0F, 1.0F, 3.0F});
  GenerationConfig config = new_tokens(4);
  config.eos_token_id = {2};
  std::vector<int64_t> streamed;
  Hooks hooks;
  hooks.on_token = [&](int, int64_t id) { streamed.push_back(id); };
  generate(model, {{{0}}, {}}, config, hooks);
  EXPECT_EQ(streamed, std::vector<int64_t>{2});
  EXPECT_EQ(model.calls, 1);
}

TEST(Generate, StopWhenEndsGreedyAndBeamSearch) {
  for (const int beams : {1, 2}) {
    FixedModel model({0.0F, 1.0F, 3.0F});
    GenerationConfig config = new_tokens(9);
    config.num_beams = beams;
    config.stop_strings = {"x"};
    EXPECT_NE(error_of(model, {{{0}}, {}}, config), "");
    Hooks hooks;
    hooks.stop_when = [](std::span<const int64_t> ids) { return ids.size() >= 4; };
    EXPECT_EQ(generate(model, {{{0}}, {}}, config, hooks)[0][0].ids, (std::vector<int64_t>{0, 2, 2, 2}));
  }
}

TEST(Generate, MaxTimeEndsARun) {
  FixedModel model({0.0F, 1.0F});
  GenerationConfig config = new_tokens(1000);
  config.max_time = 0.0;
  EXPECT_LT(generate(model, {{{0}}, {}}, config)[0][0].ids.size(), 100U);
}

TEST(Generate, ExtraProcessorsRun) {
  class Ban : public LogitsProcessor {
    void apply(int64_t, std::span<const int64_t>, std::span<float> scores) override { scores[2] = -9.0F; }
  } ban;
  FixedModel model({0.0F, 1.0F, 3.0F});
  Hooks hooks;
  hooks.processors = {&ban};
  EXPECT_EQ(generate(model, {{{0}}, {}}, new_tokens(1), hooks)[0][0].ids, (std::vector<int64_t>{0, 1}));
}

TEST(Generate, PromptIsRunOncePerItemWhenTheModelExpandsIt) {
  const auto table = test::read_golden("tables.json").at("narrow");
  test::ToyModel model(table, true);
  GenerationConfig config = new_tokens(3);
  config.num_beams = 4;
  generate(model, {{{1, 2}, {3, 4}}, {}}, config);
  EXPECT_EQ(model.rows_of_calls(), (std::vector<int>{2, 8, 8}));
}

TEST(Generate, WarnsAboutWhatCanNotBeFulfilled) {
  FixedModel model({0.0F, 1.0F});
  GenerationConfig config = new_tokens(2);
  config.min_new_tokens = 5;
  config.encoder_no_repeat_ngram_size = 2;
  std::vector<std::string> lines;
  Hooks hooks;
  hooks.on_warning = [&](const std::string& line) { lines.push_back(line); };
  generate(model, {{{0}}, {}}, config, hooks);
  EXPECT_EQ(lines.size(), 2U);
}

TEST(GenerateRefuses, UnusablePrompts) {
  FixedModel model({0.0F, 1.0F});
  EXPECT_NE(error_of(model, {{}, {}}, new_tokens(1)), "");
  EXPECT_NE(error_of(model, {{{}}, {}}, new_tokens(1)), "");
  EXPECT_NE(error_of(model, {{{1}, {1, 1}}, {}}, new_tokens(1)), "");
  EXPECT_NE(error_of(model, {{{1}}, {{1}, {1}}}, new_tokens(1)), "");
  GenerationConfig full;
  full.max_length = 1;
  EXPECT_NE(error_of(model, {{{1}}, {}}, full), "");
}

TEST(GenerateRefuses, UnusableConfigs) {
  using Change = void (*)(GenerationConfig&);
  const std::map<std::string, Change> changes = {
      {"beams 0", [](GenerationConfig& c) { c.num_beams = 0; }},
      {"beams huge", [](GenerationConfig& c) { c.num_beams = int64_t{1} << 40; }},
      {"more results than beams", [](GenerationConfig& c) { c.num_beams = 2, c.num_return_sequences = 3; }},
      {"greedy results", [](GenerationConfig& c) { c.num_return_sequences = 2; }},
      {"no new tokens", [](GenerationConfig& c) { c.max_new_tokens = 0; }},
      {"length overflow",
       [](GenerationConfig& c) { c.max_new_tokens = std::numeric_limits<int64_t>::max(); }},
      {"penalty", [](GenerationConfig& c) { c.repetition_penalty = 0.0; }},
      {"temperature", [](GenerationConfig& c) { c.do_sample = true, c.temperature = 0.0; }},
      {"top_k", [](GenerationConfig& c) { c.do_sample = true, c.top_k = -1; }},
      {"min_p", [](GenerationConfig& c) { c.do_sample = true, c.min_p = 1.5; }},
      {"forced token", [](GenerationConfig& c) { c.forced_bos_token_id = 2; }},
      {"negative forced token", [](GenerationConfig& c) { c.forced_eos_token_id = {-1}; }},
      {"bad word",
       [](GenerationConfig& c) {
         c.bad_words_ids = {{0, 7}};
       }},
      {"empty bad word", [](GenerationConfig& c) { c.bad_words_ids = {{}}; }},
      {"bias",
       [](GenerationConfig& c) {
         c.sequence_bias = {{{9}, 1.0F}};
       }},
      {"too many ends",
       [](GenerationConfig& c) {
         c.num_beams = 2, c.eos_token_id = {0, 1, 5};
       }},
  };
  for (const auto& [name, change] : changes) {
    FixedModel model({0.0F, 1.0F});
    GenerationConfig config = new_tokens(2);
    change(config);
    EXPECT_NE(error_of(model, {{{1}}, {}}, config), "") << name;
  }
}

TEST(GenerateRefuses, UnusableLogits) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int beams : {1, 2}) {
    FixedModel model({0.0F, nan, 1.0F});
    GenerationConfig config = new_tokens(2);
    config.num_beams = beams;
    EXPECT_NE(error_of(model, {{{0}}, {}}, config).find("NaN"), std::string::npos);
    config.remove_invalid_values = true;
    EXPECT_EQ(error_of(model, {{{0}}, {}}, config), "");
    FixedModel short_model({0.0F, 1.0F});
    short_model.truncated = true;
    EXPECT_NE(error_of(short_model, {{{0}}, {}}, new_tokens(2)), "");
  }
}

TEST(GenerateRefuses, PromptTokensThatAPenaltyCanNotScore) {
  FixedModel model({0.0F, 1.0F});
  GenerationConfig config = new_tokens(2);
  config.repetition_penalty = 1.2;
  EXPECT_NE(error_of(model, {{{5}}, {}}, config), "");
}

TEST(Sampling, SeedsGiveTheSameSequencesWhateverTheBatch) {
  const auto table = test::read_golden("tables.json").at("wide");
  GenerationConfig config = new_tokens(12);
  config.do_sample = true;
  config.seed = 7;
  test::ToyModel alone(table, false);
  test::ToyModel batched(table, false);
  const auto one = generate(alone, {{{3, 4}}, {}}, config);
  const auto two = generate(batched, {{{3, 4}, {5, 6}}, {}}, config);
  EXPECT_EQ(one[0][0].ids, two[0][0].ids);
  config.seed = 8;
  test::ToyModel other(table, false);
  EXPECT_NE(generate(other, {{{3, 4}}, {}}, config)[0][0].ids, one[0][0].ids);
}

TEST(Sampling, ReturnsSeveralSequencesAndWorksWithBeams) {
  const auto table = test::read_golden("tables.json").at("wide");
  for (const int beams : {1, 3}) {
    test::ToyModel model(table, true);
    GenerationConfig config = new_tokens(8);
    config.do_sample = true;
    config.num_beams = beams;
    config.num_return_sequences = 3;
    config.eos_token_id = {4};
    const auto result = generate(model, {{{3}, {5}}, {}}, config);
    ASSERT_EQ(result.size(), 2U);
    EXPECT_EQ(result[0].size(), 3U);
    EXPECT_NE(result[0][0].ids, result[0][1].ids);
  }
}

TEST(Sampling, FrequenciesFollowTheProbabilities) {
  const std::vector<float> scores = {std::log(0.5F), std::log(0.3F), -std::numeric_limits<float>::infinity(),
                                     std::log(0.2F)};
  Rng rng(11);
  std::vector<float> scratch;
  std::vector<int> single(4);
  std::vector<int> second(4);
  std::vector<Candidate> drawn;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    ++single[draw(scores, rng, scratch)];
    draw_without_replacement(scores, 2, rng, drawn);
    ++second[static_cast<std::size_t>(drawn[1].index)];
  }
  EXPECT_NEAR(single[0], 0.5 * kDraws, 300);
  EXPECT_NEAR(single[1], 0.3 * kDraws, 300);
  EXPECT_EQ(single[2] + second[2], 0);
  // second = 1 after 0 or 3: .5 * .3 / .5 + .2 * .3 / .8
  EXPECT_NEAR(second[1], 0.375 * kDraws, 300);
}

TEST(Softmax, FindsTheFirstOfEqualsInLongRows) {
  std::vector<float> scores(5003, -1.0F);
  scores[2500] = scores[4000] = 2.0F;
  EXPECT_EQ(argmax(scores), 2500U);
  scores.back() = 3.0F;
  EXPECT_EQ(argmax(scores), 5002U);
  scores[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(argmax(scores), 17U);
  EXPECT_TRUE(has_nan(scores));
}

TEST(Softmax, LogSoftmaxIsAccurate) {
  std::vector<float> scores;
  double total = 0.0;
  for (int i = 0; i < 50257; ++i) {
    scores.push_back(20.0F * std::sin(static_cast<float>(i)));
    total += std::exp(static_cast<double>(scores.back()));
  }
  std::vector<float> expected = scores;
  log_softmax(scores);
  for (std::size_t i = 0; i < scores.size(); i += 97)
    EXPECT_NEAR(scores[i], expected[i] - std::log(total), 2e-5);
}

TEST(TopK, EqualsAFullSortOfDistinctScores) {
  std::vector<float> scores;
  Rng rng(3);
  for (int i = 0; i < 3000; ++i) scores.push_back(static_cast<float>(rng.uniform()));
  for (const std::size_t k : {1U, 7U, 40U, 100U, 2999U, 3000U, 5000U}) {
    std::vector<float> sorted = scores;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    std::vector<Candidate> best;
    top_k(scores, k, best);
    ASSERT_EQ(best.size(), std::min<std::size_t>(k, 3000));
    for (std::size_t i = 0; i < best.size(); ++i) {
      EXPECT_EQ(best[i].score, sorted[i]);
      EXPECT_EQ(scores[static_cast<std::size_t>(best[i].index)], sorted[i]);
    }
  }
}

// As torch.sort orders 24 keys of five kinds.
TEST(SortAscending, EqualsLieAsTorchLeavesThem) {
  std::vector<Candidate> candidates;
  for (int64_t i = 0; i < 24; ++i) candidates.push_back({static_cast<float>(i * 7 % 5), i});
  sort_ascending(candidates);
  std::vector<int64_t> order;
  for (const Candidate& candidate : candidates) order.push_back(candidate.index);
  EXPECT_EQ(order, (std::vector<int64_t>{0,  5,  20, 10, 15, 23, 3, 18, 8,  13, 1,  21,
                                         16, 11, 6,  14, 9,  19, 4, 12, 17, 7,  22, 2}));
}

}  // namespace
}  // namespace vulcap::generate
