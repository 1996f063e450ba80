// Whisper's rules against what transformers' own code gave (tests/generators/whisper_rules.py).
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "loader/read_json.h"
#include "loader/speech/decoder_prompt.h"
#include "loader/speech/fallback.h"
#include "loader/speech/languages.h"
#include "loader/speech/segments.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"
#include "runtime/generate/timestamp_rules.h"

namespace vulcap::speech {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

json golden(const std::string& name) {
  return loader::read_json(fs::path(VULCAP_TEST_DATA) / "speech" / name);
}

std::vector<int64_t> ids_of(const json& list) { return list.get<std::vector<int64_t>>(); }

TEST(Segments, EqualTheReference) {
  const json file = golden("segments.json");
  for (const json& item : file["cases"]) {
    const Window window{item["seek"], item["frames"], file["timestamp_begin"]};
    const WindowSegments got = split_window(ids_of(item["ids"]), window);
    EXPECT_EQ(got.advance, std::max<int64_t>(item["advance"].get<int64_t>(), 1)) << item;
    ASSERT_EQ(got.segments.size(), item["segments"].size()) << item;
    for (size_t i = 0; i < got.segments.size(); ++i) {
      EXPECT_NEAR(got.segments[i].start, item["segments"][i][0].get<double>(), 1e-9) << item;
      EXPECT_NEAR(got.segments[i].end, item["segments"][i][1].get<double>(), 1e-9) << item;
      EXPECT_EQ(got.segments[i].ids, ids_of(item["segments"][i][2])) << item;
    }
  }
}

TEST(Segments, AlwaysMoveOn) {
  EXPECT_EQ(split_window(std::vector<int64_t>{50, 50}, {0, 300, 50}).advance, 300);
  EXPECT_EQ(split_window(std::vector<int64_t>{}, {0, 300, 50}).advance, 300);
}

// "(7 8)<|0.20|>()" with the text of the ids in place of the brackets.
std::string with_text(const tokenizer::Tokenizer& tokenizer, const std::string& marked) {
  std::string text;
  for (size_t at = 0; at < marked.size();) {
    const size_t open = std::min(marked.find('(', at), marked.size());
    const size_t close = std::min(marked.find(')', open), marked.size());
    text += marked.substr(at, open - at);
    std::vector<int64_t> ids;
    if (open < marked.size()) {
      std::istringstream list(marked.substr(open + 1, close - open - 1));
      for (int64_t id = 0; list >> id;) ids.push_back(id);
    }
    text += tokenizer.decode(std::span<const int64_t>(ids), false);
    at = close + 1;
  }
  return text;
}

TEST(TextWithTimestamps, EqualsTheReference) {
  const auto tokenizer = tokenizer::Tokenizer::load(fs::path(VULCAP_TEST_DATA) / "families" / "whisper");
  const json file = golden("marks.json");
  for (const json& item : file["cases"]) {
    EXPECT_EQ(text_with_timestamps(tokenizer, ids_of(item[0]), file["timestamp_begin"]),
              with_text(tokenizer, item[1]))
        << item;
  }
}

TEST(TimestampRules, EqualTheReference) {
  for (const json& item : golden("rules.json")) {
    std::optional<int64_t> limit;
    if (!item["limit"].is_null()) limit = item["limit"].get<int64_t>();
    generate::TimestampRules rules(39, 38, item["prompt"], limit);
    auto scores = item["scores"].get<std::vector<float>>();
    rules.apply(0, ids_of(item["ids"]), scores);
    json allowed = json::array();
    for (size_t i = 0; i < scores.size(); ++i) {
      if (std::isfinite(scores[i])) allowed.push_back(i);
    }
    EXPECT_EQ(allowed, item["allowed"]) << item;
  }
}

TranscriptionConfig config_of(const json& file, const loader::GenerationFlags& flags = {}) {
  std::vector<std::string> warnings;
  const auto config = read_transcription_config({file, json::object(), flags}, warnings);
  EXPECT_TRUE(warnings.empty()) << warnings[0];
  return config;
}

TEST(InitialTokens, EqualTheReference) {
  for (const json& item : golden("prompts.json")) {
    json file = item["fields"];
    file["decoder_start_token_id"] = 10;
    const TranscriptionConfig config = config_of(file);
    json tokens;
    try {
      tokens = initial_tokens(config, item["timestamps"], [] { return int64_t(21); });
    } catch (const core::Error&) {
    }
    EXPECT_EQ(tokens, item["tokens"]) << item;
  }
}

const json kFile = {{"decoder_start_token_id", 10},
                    {"lang_to_id", {{"<|en|>", 20}, {"<|de|>", 21}}},
                    {"task_to_id", {{"transcribe", 31}}},
                    {"no_timestamps_token_id", 39},
                    {"prev_sot_token_id", 12},
                    {"suppress_tokens", {1, 2}}};

std::string error_of(const std::function<void()>& action, core::ErrorCode code) {
  try {
    action();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
    return error.message();
  }
  return "no error";
}

std::string token_error(const json& file, const loader::GenerationFlags& flags, core::ErrorCode code) {
  return error_of([&] { initial_tokens(config_of(file, flags), false, [] { return int64_t(21); }); }, code);
}

TEST(InitialTokens, NameWhatIsMissing) {
  EXPECT_EQ(token_error(kFile, {{"language", "klingon"}}, core::ErrorCode::kUsage),
            "language 'klingon' is none of this model's: de, en");
  EXPECT_EQ(token_error(kFile, {{"task", "sing"}}, core::ErrorCode::kUsage),
            "the task must be transcribe or translate, not 'sing'");
  EXPECT_NE(token_error(kFile, {{"task", "translate"}}, core::ErrorCode::kInvalidModel)
                .find("task_to_id.translate"),
            std::string::npos);
  json old = kFile;
  old.erase("lang_to_id");
  EXPECT_NE(token_error(old, {{"language", "en"}}, core::ErrorCode::kInvalidModel).find("lacks lang_to_id"),
            std::string::npos);
  json english = kFile;
  english["is_multilingual"] = false;
  EXPECT_NE(token_error(english, {{"language", "en"}}, core::ErrorCode::kUsage).find("English only"),
            std::string::npos);
  EXPECT_NE(token_error(json::object(), {}, core::ErrorCode::kInvalidModel).find("decoder_start_token_id"),
            std::string::npos);
}

TEST(TranscriptionConfig, ReadsFlagsOverTheFile) {
  const auto config = config_of(kFile, {{"temperature", "0,0.4"},
                                        {"logprob-threshold", "-1"},
                                        {"no-speech-threshold", "0.6"},
                                        {"compression-ratio-threshold", "1.35"},
                                        {"condition-on-prev-tokens", ""},
                                        {"return-timestamps", "true"},
                                        {"max-length", "20"}});
  EXPECT_EQ(config.temperatures, (std::vector<double>{0, 0.4}));
  EXPECT_EQ(config.logprob_threshold, -1);
  EXPECT_EQ(config.no_speech_threshold, 0.6);
  EXPECT_TRUE(config.condition_on_prev_tokens);
  EXPECT_EQ(config.return_timestamps, true);
  EXPECT_FALSE(config.generation.max_length_given);
}

TEST(TranscriptionConfig, RefusesWhatCannotBe) {
  const auto error = [](const json& file, const loader::GenerationFlags& flags, core::ErrorCode code) {
    return error_of([&] { config_of(file, flags); }, code);
  };
  using enum core::ErrorCode;
  EXPECT_NE(error({{"lang_to_id", 3}}, {}, kInvalidModel).find("lang_to_id"), std::string::npos);
  EXPECT_NE(error({{"lang_to_id", {{"<|en|>", "x"}}}}, {}, kInvalidModel).find("lang_to_id"),
            std::string::npos);
  EXPECT_NE(error({{"forced_decoder_ids", {1}}}, {}, kInvalidModel).find("forced_decoder_ids"),
            std::string::npos);
  EXPECT_NE(error({}, {{"temperature", "hot"}}, kUsage).find("--temperature"), std::string::npos);
  EXPECT_NE(error({}, {{"no-speech-threshold", "0.5"}}, kUsage).find("logprob_threshold"), std::string::npos);
  EXPECT_NE(error({}, {{"num-beams", "2"}, {"logprob-threshold", "-1"}}, kUsage).find("num_beams"),
            std::string::npos);
  EXPECT_NE(error({}, {{"return-token-timestamps", "true"}}, kUsage).find("not supported"),
            std::string::npos);
  EXPECT_NE(error({}, {{"prompt-condition-type", "all-segments"}}, kUsage).find("condition_on_prev_tokens"),
            std::string::npos);
}

TEST(PreviousTokens, FollowTheSegmentsBefore) {
  TranscriptionConfig config = config_of(kFile);
  const std::vector<Segment> segments = {{0, 1, {50, 5, 6, 60}}, {1, 2, {60, 7, 70, 70}}};
  const std::vector<int64_t> none, words = {12, 3, 4};
  EXPECT_EQ(previous_tokens(config, {none, segments, false, 50, 64}), none);
  EXPECT_EQ(previous_tokens(config, {words, segments, false, 50, 64}), words);
  EXPECT_EQ(previous_tokens(config, {none, segments, true, 50, 64}),
            (std::vector<int64_t>{12, 50, 5, 6, 60, 60, 7, 70}));
  EXPECT_EQ(previous_tokens(config, {words, segments, true, 50, 12}),
            (std::vector<int64_t>{12, 6, 60, 60, 7, 70}));
  EXPECT_EQ(previous_tokens(config, {words, {}, true, 50, 64}), (std::vector<int64_t>{12, 3, 4}));
  config.prompt_all_segments = true;
  EXPECT_EQ(previous_tokens(config, {words, segments, true, 50, 12}),
            (std::vector<int64_t>{12, 3, 4, 6, 60, 60, 7, 70}));
  config.prev_sot_token_id.reset();
  EXPECT_EQ(previous_tokens(config, {none, segments, true, 50, 8}), (std::vector<int64_t>{1, 60, 7, 70}));
}

TEST(Fallback, MeasuresRepetition) {
  const std::vector<int64_t> same(100, 7);
  EXPECT_NEAR(compression_ratio(same, 51865), 200.0 / 13.0, 1.6);
  EXPECT_LT(compression_ratio(std::vector<int64_t>{1, 2, 3}, 51865), 1);
}

TEST(Languages, AreKnownByName) {
  EXPECT_EQ(language_code("german"), "de");
  EXPECT_EQ(language_code("haitian creole"), "ht");
  EXPECT_EQ(language_code("zzz"), std::nullopt);
  EXPECT_EQ(language_code(""), std::nullopt);
}

}  // namespace
}  // namespace vulcap::speech
