// Each logits processor of transformers on seeded scores, and the distributions of common sampling settings.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "runtime/generate/history_processors.h"
#include "runtime/generate/sampling_processors.h"
#include "runtime/generate/softmax.h"
#include "runtime/generate/token_processors.h"
#include "tests/generate/toy_model.h"

namespace vulcap {
namespace {

using namespace generate;  // NOLINT: the processors are the subject of this file
using Json = nlohmann::json;
using Matrix = std::vector<std::vector<float>>;

constexpr int64_t kVocab = 40;
constexpr int64_t kEver = 1000;
const std::vector<std::vector<int64_t>> kPrompts = {{3, 5, 7, 5, 3}, {9, 8, 7, 6, 5}, {11, 11, 12, 12, 13}};

template <typename Processor, typename... Args>
std::function<std::unique_ptr<LogitsProcessor>()> maker(Args... args) {
  return [=] { return std::make_unique<Processor>(args...); };
}

using Ids = std::vector<int64_t>;
using Cutoff = KeepAboveCutoff;

const std::map<std::string, std::function<std::unique_ptr<LogitsProcessor>()>>& processors() {
  static const std::map<std::string, std::function<std::unique_ptr<LogitsProcessor>()>> kTable = {
      {"temperature 0.7", maker<Temperature>(0.7)},
      {"temperature 0.05", maker<Temperature>(0.05)},
      {"top_k 5", maker<KeepTopK>(5, 1)},
      {"top_k 1", maker<KeepTopK>(1, 1)},
      {"top_k 50 (more than the vocabulary)", maker<KeepTopK>(50, 1)},
      {"top_k 2, min_tokens_to_keep 4", maker<KeepTopK>(2, 4)},
      {"top_p 0.9", maker<KeepTopP>(0.9, 1)},
      {"top_p 0.1", maker<KeepTopP>(0.1, 1)},
      {"top_p 0.3, min_tokens_to_keep 3", maker<KeepTopP>(0.3, 3)},
      {"min_p 0.1", maker<KeepMinP>(0.1, 1)},
      {"typical_p 0.4", maker<KeepTypical>(0.4, 1)},
      {"epsilon_cutoff 0.02", maker<Cutoff>(Cutoff::Kind::kEpsilon, 0.02, 1)},
      {"eta_cutoff 0.05", maker<Cutoff>(Cutoff::Kind::kEta, 0.05, 1)},
      {"repetition_penalty 1.3", maker<RepetitionPenalty>(1.3, kVocab)},
      {"repetition_penalty 0.8", maker<RepetitionPenalty>(0.8, kVocab)},
      {"no_repeat_ngram_size 1", maker<NoRepeatNGram>(1)},
      {"no_repeat_ngram_size 2", maker<NoRepeatNGram>(2)},
      {"no_repeat_ngram_size 3", maker<NoRepeatNGram>(3)},
      {"bad_words_ids",
       [] {
         const std::vector<Ids> words = {{4}, {5, 6}, {13, 12, 11}};
         return std::make_unique<BiasSequences>(forbid_sequences(words, Ids{1}), kVocab, "bad_words_ids");
       }},
      {"min_length 20", maker<SuppressTokens>(Ids{1}, 0, 20)},
      {"min_new_tokens 8 after 5", maker<SuppressTokens>(Ids{1, 2}, 0, 13)},
      {"forced_bos_token_id 6 at length 1", maker<ForceTokens>(Ids{6}, 1, kVocab, "forced_bos_token_id")},
      {"forced_eos_token_id at max_length 10", maker<ForceTokens>(Ids{1}, 9, kVocab, "forced_eos_token_id")},
      {"suppress_tokens", maker<SuppressTokens>(Ids{0, 3, 39}, 0, kEver)},
      {"begin_suppress_tokens at 9", maker<SuppressTokens>(Ids{2, 4}, 9, 10)},
      {"sequence_bias",
       [] {
         const std::vector<SequenceBias> biases = {{{7}, 3.5F}, {{5, 8}, -4.0F}, {{12, 13, 9}, 2.0F}};
         return std::make_unique<BiasSequences>(biases, kVocab, "sequence_bias");
       }},
      {"exponential_decay_length_penalty (2, 1.2) after 5",
       maker<DecayLengthPenalty>(ExponentialDecay{2, 1.2}, Ids{1}, 5, kVocab)},
      {"encoder_no_repeat_ngram_size 2", maker<EncoderNoRepeatNGram>(2, kPrompts, 1)},
      {"encoder_repetition_penalty 1.5", maker<EncoderRepetitionPenalty>(1.5, kPrompts, kVocab)},
      {"renormalize_logits", maker<NormalizeLogits>()},
      {"remove_invalid_values", maker<RemoveInvalidValues>()},
  };
  return kTable;
}

float number(const Json& value) {
  if (value.is_number()) return value.get<float>();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (value == "-inf") return -kInfinity;
  if (value == "inf") return kInfinity;
  if (value == "nan") return std::numeric_limits<float>::quiet_NaN();
  throw std::runtime_error("no number: " + value.dump());
}

Matrix matrix(const Json& rows) {
  Matrix result;
  for (const Json& row : rows) {
    result.emplace_back();
    for (const Json& value : row) result.back().push_back(number(value));
  }
  return result;
}

void expect_near(const Matrix& actual, const Matrix& expected, double atol, double rtol) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(actual[i].size(), expected[i].size());
    for (std::size_t j = 0; j < expected[i].size(); ++j) {
      const float want = expected[i][j];
      if (std::isinf(want)) {
        EXPECT_EQ(actual[i][j], want) << i << "," << j;
      } else {
        EXPECT_NEAR(actual[i][j], want, atol + rtol * std::abs(want)) << i << "," << j;
      }
    }
  }
}

TEST(GoldenLogitsProcessors, EachEqualsTransformers) {
  int tested = 0;
  const Json golden = test::read_golden("logits_processors.json");
  for (const Json& test : golden.at("cases")) {
    const std::string name = test.at("name");
    if (name == "sampling distribution") continue;
    SCOPED_TRACE(name);
    ASSERT_TRUE(processors().contains(name));
    const auto processor = processors().at(name)();
    Matrix scores = matrix(test.at("scores"));
    for (std::size_t row = 0; row < scores.size(); ++row) {
      const Ids ids = test.at("input_ids")[row];
      processor->apply(static_cast<int64_t>(row), ids, scores[row]);
    }
    expect_near(scores, matrix(test.at("expected")), test.at("atol"), test.at("rtol"));
    ++tested;
  }
  EXPECT_EQ(tested, static_cast<int>(processors().size()));
}

TEST(GoldenLogitsProcessors, SamplingDistributionsEqualTransformers) {
  int tested = 0;
  const Json golden = test::read_golden("logits_processors.json");
  for (const Json& test : golden.at("cases")) {
    if (test.at("name") != "sampling distribution") continue;
    const Json& params = test.at("params");
    SCOPED_TRACE(params.dump());
    GenerationConfig config;
    config.do_sample = true;
    config.temperature = params.value("temperature", 1.0);
    config.top_k = params.value("top_k", 0);
    config.top_p = params.value("top_p", 1.0);
    config.repetition_penalty = params.value("repetition_penalty", 1.0);
    if (params.contains("min_p")) config.min_p = params["min_p"].get<double>();
    const ProcessorList list = build_processors(
        config, {.vocab_size = kVocab, .lengths = {5, 100, 0}, .encoder_ids = {}, .extra = {}});
    Matrix scores = matrix(test.at("scores"));
    for (std::size_t row = 0; row < scores.size(); ++row) {
      const Ids ids = test.at("input_ids")[row];
      apply_all(list, static_cast<int64_t>(row), ids, scores[row]);
      softmax(scores[row], scores[row]);
    }
    expect_near(scores, matrix(test.at("expected").at("probabilities")), test.at("atol"), test.at("rtol"));
    ++tested;
  }
  EXPECT_EQ(tested, 5);
}

}  // namespace
}  // namespace vulcap
