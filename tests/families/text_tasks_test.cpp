// What the text tasks make of scores where golden folders do not reach: ties, empty results, words that
// tokens disagree on, settings that are missing or wrong.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loader/text_tasks/answer_spans.h"
#include "loader/text_tasks/entities.h"
#include "loader/text_tasks/label_scores.h"
#include "loader/text_tasks/zero_shot.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using Names = std::vector<std::string>;
using Floats = std::vector<float>;

template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const core::Error& error) {
    return error.message();
  }
  return "";
}

LabelSet labels_of(const std::string& config) {
  return read_label_set(nlohmann::json::parse(config), "text-classification", "config.json");
}

std::string text_of(const std::vector<LabelScore>& labels) {
  std::string text;
  for (const LabelScore& item : labels) text += item.label + " ";
  return text;
}

TEST(Labels, WithoutNamesThereAreTwoOrNumLabels) {
  EXPECT_EQ(labels_of("{}").names, (Names{"LABEL_0", "LABEL_1"}));
  EXPECT_EQ(labels_of(R"({"num_labels": 3, "id2label": null})").names.size(), 3u);
  EXPECT_EQ(labels_of(R"({"id2label": {"1": "b", "10": "k", "0": "a", "2": "c", "3": "d", "4": "e", "5": "f",
                          "6": "g", "7": "h", "8": "i", "9": "j"}})")
                .names.back(),
            "k");
}

TEST(Labels, FunctionFollowsProblemTypeAndCount) {
  EXPECT_EQ(labels_of("{}").function, ScoreFunction::kSoftmax);
  EXPECT_EQ(labels_of(R"({"num_labels": 1})").function, ScoreFunction::kSigmoid);
  EXPECT_EQ(labels_of(R"({"num_labels": 1, "problem_type": "regression"})").function, ScoreFunction::kNone);
  EXPECT_EQ(labels_of(R"({"problem_type": "multi_label_classification"})").function, ScoreFunction::kSigmoid);
  EXPECT_EQ(labels_of(R"({"task_specific_params": {"text-classification": {"problem_type": "regression"}}})")
                .function,
            ScoreFunction::kNone);
}

TEST(Labels, BadSettingsAreRefused) {
  for (const auto& [config, part] : std::vector<std::pair<std::string, std::string>>{
           {R"({"id2label": {"0": "a", "2": "c"}})", "id2label lacks the index 1"},
           {R"({"id2label": {"first": "a"}})", "'first', which is no index"},
           {R"({"id2label": ["a", "b"]})", "id2label must be an object"},
           {R"({"id2label": {}})", "id2label must be an object"},
           {R"({"num_labels": -1})", "num_labels"},
           {R"({"problem_type": "ranking"})", "problem_type \"ranking\""}}) {
    const std::string message = error_of([&config] { labels_of(config); });
    EXPECT_TRUE(message.starts_with("config.json: ")) << config << message;
    EXPECT_NE(message.find(part), std::string::npos) << config << message;
  }
  EXPECT_NE(error_of([] { check_label_count(labels_of("{}"), 3); }).find("scores 3 labels"),
            std::string::npos);
  EXPECT_EQ(error_of([] { check_label_count(labels_of("{}"), 2); }), "");
  EXPECT_NE(error_of([] { score_function("tanh"); }), "");
  EXPECT_EQ(score_function("SoftMax"), ScoreFunction::kSoftmax);
}

TEST(Labels, EqualScoresKeepTheOrderOfTheLogits) {
  const Floats scores{0.2f, 0.4f, 0.2f, 0.4f};
  EXPECT_EQ(text_of(ranked({"a", "b", "c", "d"}, scores, std::nullopt)), "b d a c ");
  EXPECT_EQ(text_of(ranked({"a", "b", "c", "d"}, scores, 1)), "b ");
  EXPECT_EQ(text_of(ranked({"a", "b", "c", "d"}, scores, 9)), "b d a c ");
}

TEST(Labels, SoftmaxOfLargeLogits) {
  EXPECT_EQ(softmax(Floats{1000, 1000}), (Floats{0.5f, 0.5f}));
  EXPECT_TRUE(softmax(Floats{}).empty());
}

TEST(ZeroShot, Templates) {
  EXPECT_EQ(fill_template("This example is {}.", "good"), "This example is good.");
  EXPECT_EQ(fill_template("{{{0}}} and {0}", "x"), "{x} and x");
  for (const char* bad : {"no place", "{} and {}", "{label}", "{", "{}}", ""})
    EXPECT_NE(error_of([bad] { fill_template(bad, "x"); }), "") << bad;
}

TEST(ZeroShot, Entailment) {
  EXPECT_EQ(labels_of(R"({"id2label": {"0": "ENTAILMENT", "1": "NEUTRAL"}})").entailment, 0u);
  EXPECT_EQ(labels_of(R"({"label2id": {"yes": 0, "Entails": 1}})").entailment, 1u);
  EXPECT_EQ(labels_of("{}").entailment, std::nullopt);
  // Of equal scores the later label stands first.
  EXPECT_EQ(text_of(zero_shot_scores({"a", "b"}, Floats{5, 0, 1, -5, 0, 1}, 3, 2, false)), "b a ");
  // A single label is judged against contradiction: the first label, or the last where entailment is first.
  EXPECT_FLOAT_EQ(zero_shot_scores({"a"}, Floats{1, 9, 1}, 3, 2, false)[0].score, 0.5f);
  EXPECT_FLOAT_EQ(zero_shot_scores({"a"}, Floats{1, 9, 1}, 3, 0, false)[0].score, 0.5f);
  EXPECT_FLOAT_EQ(zero_shot_scores({"a"}, Floats{1, 9, 1}, 3, std::nullopt, true)[0].score, 0.5f);
}

std::string join(const Names& words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

ScoredToken token(const std::string& word, Floats scores, uint32_t begin, bool is_subword) {
  return {word, std::move(scores), begin, {begin, begin + uint32_t(word.size())}, is_subword};
}

std::string text_of(const std::vector<Entity>& entities) {
  std::string text;
  for (const Entity& entity : entities)
    text += entity.label + ":" + entity.word + "@" + std::to_string(entity.span.begin) + "-" +
            std::to_string(entity.span.end) + " ";
  return text;
}

const Names kTags = {"O", "B-PER", "I-PER", "B-LOC"};

// "micro" a person, "soft" a place with more certainty, then "co" of the person before.
std::vector<ScoredToken> disagreeing() {
  return {token("micro", {0.1f, 0.6f, 0.2f, 0.1f}, 0, false),
          token("soft", {0.1f, 0.0f, 0.1f, 0.8f}, 5, true), token("co", {0.1f, 0.1f, 0.7f, 0.1f}, 10, false)};
}

std::string aggregated(Aggregation strategy) {
  return text_of(aggregate(disagreeing(), strategy, kTags, join));
}

TEST(Entities, Strategies) {
  EXPECT_EQ(aggregated(Aggregation::kNone), "B-PER:micro@0-5 B-LOC:soft@5-9 I-PER:co@10-12 ");
  EXPECT_EQ(aggregated(Aggregation::kSimple), "PER:micro@0-5 LOC:soft@5-9 PER:co@10-12 ");
  EXPECT_EQ(aggregated(Aggregation::kFirst), "PER:microsoftco@0-12 ");
  EXPECT_EQ(aggregated(Aggregation::kMax), "LOC:microsoft@0-9 PER:co@10-12 ");
  EXPECT_EQ(aggregated(Aggregation::kAverage), "LOC:microsoft@0-9 PER:co@10-12 ");
  EXPECT_EQ(aggregation_named("max"), Aggregation::kMax);
  EXPECT_NE(error_of([] { aggregation_named("mean"); }), "");
  EXPECT_TRUE(aggregate({}, Aggregation::kMax, kTags, join).empty());
}

TEST(Entities, BeginningsSeparateAndUnmarkedLabelsContinue) {
  const Names names = {"B-PER", "X", "X-Y"};
  const auto one_hot = [](size_t id) {
    Floats scores(3);
    scores[id] = 1;
    return scores;
  };
  const std::vector<ScoredToken> tokens = {token("a", one_hot(0), 0, false), token("b", one_hot(0), 1, false),
                                           token("c", one_hot(1), 2, false), token("d", one_hot(1), 3, false),
                                           token("e", one_hot(2), 4, false)};
  // A label without B- or I- loses what stands before its first dash when it is grouped.
  EXPECT_EQ(text_of(aggregate(tokens, Aggregation::kSimple, names, join)),
            "PER:a@0-1 PER:b@1-2 X:cd@2-4 Y:e@4-5 ");
}

Entity entity(uint32_t begin, uint32_t end, float score) {
  Entity result;
  result.label = "X";
  result.score = score;
  result.span = {begin, end};
  return result;
}

TEST(Entities, OfOverlappingOnesTheLongestThenTheSurestStays) {
  EXPECT_TRUE(without_overlaps({}).empty());
  EXPECT_EQ(text_of(without_overlaps({entity(8, 9, 0.1f), entity(0, 4, 0.9f), entity(2, 7, 0.5f)})),
            "X:@2-7 X:@8-9 ");
  const auto equal = without_overlaps({entity(0, 4, 0.5f), entity(2, 6, 0.6f)});
  ASSERT_EQ(equal.size(), 1u);
  EXPECT_EQ(equal[0].span.begin, 2u);
}

TEST(Answers, SpansStayInOrderInLengthAndInTheContext) {
  const Floats flat{0.25f, 0.25f, 0.25f, 0.25f};
  const auto spans = best_spans(flat, flat, {false, true, true, true}, 9, 2);
  std::string text;
  for (const TokenSpan& span : spans)
    text += std::to_string(span.start) + "-" + std::to_string(span.end) + " ";
  EXPECT_EQ(text, "1-1 1-2 2-2 2-3 3-3 ");
  EXPECT_EQ(best_spans(flat, flat, {true, true, true, true}, 1, 4).size(), 1u);
  EXPECT_TRUE(best_spans(Floats{0, 0}, Floats{0, 1}, {true, true}, 3, 3).empty());
}

// [CLS] q [SEP] Paris paris x
AnswerWindow window(Floats start, Floats end) {
  AnswerWindow result;
  tokenizer::Encoding& e = result.encoding;
  e.ids = {1, 5, 2, 7, 7, 8};
  e.offsets = {{0, 0}, {0, 1}, {0, 0}, {0, 5}, {6, 11}, {12, 13}};
  e.attention_mask = {1, 1, 1, 1, 1, 1};
  e.word_ids = {-1, 0, -1, 0, 1, 2};
  e.sequence_ids = {-1, 0, -1, 1, 1, 1};
  result.start_logits = std::move(start);
  result.end_logits = std::move(end);
  return result;
}

const ContextTokens kBert{1, false};

TEST(Answers, EqualTextsAddUp) {
  const Floats logits{-9, 0, 0, 2, 2, 2.1f};
  AnswerOptions options;
  options.max_answer_len = 1;
  const auto best = find_answers({window(logits, logits)}, U"Paris paris x", kBert, options);
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(best[0].text, "Paris");
  // Without alignment one span is looked at, and that is another.
  options.align_to_words = false;
  EXPECT_EQ(find_answers({window(logits, logits)}, U"Paris paris x", kBert, options)[0].text, "x");
}

TEST(Answers, NoAnswerCompetesWhenAllowed) {
  const Floats sure{9, 0, 0, 1, 0, 0};
  AnswerOptions options;
  EXPECT_EQ(find_answers({window(sure, sure)}, U"Paris paris x", kBert, options)[0].text, "Paris");
  options.handle_impossible_answer = true;
  const auto answers = find_answers({window(sure, sure)}, U"Paris paris x", kBert, options);
  EXPECT_EQ(answers[0].text, "");
  EXPECT_GT(answers[0].score, 0.9f);
}

TEST(Answers, PaddingOnTheLeftChangesNothing) {
  const Floats logits{-9, 0, 0, 1, 2, 3};
  AnswerWindow plain = window(logits, logits);
  AnswerWindow padded = plain;
  padded.encoding.ids.insert(padded.encoding.ids.begin(), 0);
  padded.encoding.offsets.insert(padded.encoding.offsets.begin(), {0, 0});
  padded.encoding.attention_mask.insert(padded.encoding.attention_mask.begin(), 0);
  padded.encoding.word_ids.insert(padded.encoding.word_ids.begin(), -1);
  padded.encoding.sequence_ids.insert(padded.encoding.sequence_ids.begin(), -1);
  padded.start_logits.insert(padded.start_logits.begin(), 5);
  padded.end_logits.insert(padded.end_logits.begin(), 5);
  const ContextTokens context_first{std::nullopt, true};
  // The first token of a row is never part of an answer, so both begin with one that is masked or special.
  plain.encoding.attention_mask[0] = 0;
  padded.encoding.attention_mask[1] = 0;
  const auto a = find_answers({plain}, U"Paris paris x", context_first, {});
  const auto b = find_answers({padded}, U"Paris paris x", context_first, {});
  EXPECT_EQ(a[0].text, b[0].text);
  EXPECT_FLOAT_EQ(a[0].score, b[0].score);
}

TEST(Answers, AContextWithoutTokensHasNone) {
  AnswerWindow empty = window({1, 1, 1}, {1, 1, 1});
  for (auto* list : {&empty.encoding.ids, &empty.encoding.attention_mask}) list->resize(3);
  empty.encoding.offsets.resize(3);
  empty.encoding.word_ids.resize(3);
  empty.encoding.sequence_ids.resize(3);
  const auto answers = find_answers({empty}, U" ", kBert, {});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].text, "");
  EXPECT_EQ(answers[0].score, 0.0f);
}

}  // namespace
}  // namespace vulcap::loader
