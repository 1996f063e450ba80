// `vulcap transcribe`: every format, and what is refused.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

const fs::path kWhisper = kTestData / "families" / "whisper";
const fs::path kLong = kTestData / "families" / "whisper-long";
const std::string kTones = (kWhisper / "expected" / "audio" / "tones_3s_pcm16.wav").string();
const std::string kNineSeconds = (kLong / "expected" / "audio" / "long.wav").string();

Outcome transcribe(Arguments arguments, const fs::path& model = kWhisper) {
  arguments.insert(arguments.begin(), {"transcribe", "--device", "cpu", "-m", model.string()});
  return run_vulcap(arguments);
}

json expected(const fs::path& model, size_t index) {
  return json::parse(read_file(model / "expected" / "pipeline.json"))["cases"][index]["expected"];
}

TEST(Transcribe, PrintsTheTextOfARecording) {
  const Outcome outcome = transcribe({kTones, "--language", "english", "--task", "transcribe", "-n", "16"});
  EXPECT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, expected(kWhisper, 0)["texts"][0].get<std::string>() + "\n");
}

TEST(Transcribe, JsonHoldsSegmentsIdsAndLanguage) {
  const Outcome outcome = transcribe({kTones, "--task", "transcribe", "-n", "12", "--format", "json"});
  EXPECT_TRUE(exits(outcome, 0));
  const json record = json::parse(outcome.out).at(0);
  EXPECT_EQ(record["ids"], expected(kWhisper, 3)["sequences"][0]);
  EXPECT_EQ(record["language"], "pt");
  EXPECT_EQ(record["duration"], 3.0);
  ASSERT_EQ(record["segments"].size(), 1u);
  EXPECT_EQ(record["segments"][0]["start"], 0.0);
  EXPECT_EQ(record["segments"][0]["end"], 4.0);
  EXPECT_EQ(record["segments"][0]["ids"], record["ids"]);
}

TEST(Transcribe, LongRecordingsAreReadWindowByWindow) {
  const Outcome outcome = transcribe({kNineSeconds, "--language", "en", "--format", "jsonl"}, kLong);
  EXPECT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.err.find("longer than the model's window of 4 s: decoded with time stamps"),
            std::string::npos);
  const json record = json::parse(outcome.out);
  EXPECT_EQ(record["ids"], expected(kLong, 0)["sequences"][0]);
  double end = 0;
  for (const json& segment : record["segments"]) {
    EXPECT_GE(segment["start"].get<double>(), end - 1e-9);
    end = segment["end"];
  }
  EXPECT_GT(end, 4);
}

TEST(Transcribe, WritesSubtitles) {
  const Outcome srt = transcribe({kNineSeconds, "--language", "en", "--format", "srt"}, kLong);
  EXPECT_TRUE(exits(srt, 0));
  EXPECT_TRUE(srt.out.starts_with("1\n00:00:00,")) << srt.out;
  EXPECT_NE(srt.out.find("\n\n2\n00:00:0"), std::string::npos) << srt.out;
  const Outcome vtt = transcribe({kNineSeconds, "--language", "en", "--format", "vtt"}, kLong);
  EXPECT_TRUE(vtt.out.starts_with("WEBVTT\n\n00:00:00.")) << vtt.out;
  const Outcome text = transcribe({kNineSeconds, "--language", "en", "--timestamps"}, kLong);
  EXPECT_TRUE(text.out.starts_with("[00:00:00.")) << text.out;
}

TEST(Transcribe, GoesOnAfterABadFile) {
  const Outcome outcome = transcribe({"/nonexistent/a.wav", kTones, "-n", "4"});
  EXPECT_TRUE(exits(outcome, 1));
  EXPECT_EQ(error_lines(outcome).size(), 1u);
  EXPECT_TRUE(outcome.out.starts_with(kTones + ": "));
}

TEST(Transcribe, RefusesWrongUsage) {
  EXPECT_TRUE(refuses(transcribe({kTones, "--language", "klingon"}), 2, {"klingon", "ar, ca, de"}));
  EXPECT_TRUE(refuses(transcribe({kTones, "--task", "sing"}), 2, {"--task"}));
  EXPECT_TRUE(refuses(transcribe({kTones, "-n", "500"}), 2, {"64 positions", "--max-new-tokens"}));
  EXPECT_TRUE(refuses(transcribe({kTones, kTones, "--format", "srt"}), 2, {"srt takes one file"}));
  EXPECT_TRUE(refuses(transcribe({kTones, "--num-return-sequences", "2", "--num-beams", "2"}), 2,
                      {"num_return_sequences"}));
  EXPECT_TRUE(refuses(run_vulcap({"transcribe", kTones}), 2, {"--model"}));
  EXPECT_TRUE(refuses(transcribe({kTones, "--prompt", "a <|en|> b"}), 2, {"special token <|en|>"}));
}

TEST(Transcribe, RefusesOtherModels) {
  EXPECT_TRUE(refuses(transcribe({kTones}, kTinyModel), 3, {"vision-encoder-decoder", "whisper"}));
}

struct BadSound {
  const char* name;
  std::string bytes;
  std::string reason;
};
void PrintTo(const BadSound& item, std::ostream* out) { *out << item.name; }

class BadSoundFile : public ::testing::TestWithParam<BadSound> {};

TEST_P(BadSoundFile, FailsWithExitCode1AndOneLine) {
  TempFolder folder;
  const fs::path file = folder / "x.wav";
  write_file(file, GetParam().bytes);
  EXPECT_TRUE(refuses(transcribe({file.string()}), 1, {file.string(), GetParam().reason}));
}

std::string with_rate(uint32_t rate) {
  std::string bytes = read_file(kTones);
  for (size_t i = 0; i < 4; ++i) bytes[24 + i] = char(rate >> (8 * i));
  return bytes;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadSoundFile,
    ::testing::Values(BadSound{"Empty", "", "empty"}, BadSound{"Text", "not a sound\n", "cannot be read"},
                      BadSound{"Half", read_file(kTones).substr(0, 50000), "truncated"},
                      BadSound{"HeaderAlone", read_file(kTones).substr(0, 44), "truncated"},
                      BadSound{"StrangeRate", with_rate(7), "7 Hz"}),
    [](const auto& test) { return std::string(test.param.name); });

// A copy of the model with one settings file changed.
void spoil(const fs::path& to, const std::string& file, const std::function<void(json&)>& change) {
  for (const auto& entry : fs::directory_iterator(kLong)) {
    if (entry.is_regular_file()) fs::copy(entry.path(), to / entry.path().filename());
  }
  json settings = json::parse(read_file(to / file));
  change(settings);
  write_file(to / file, settings.dump());
}

struct BadSettings {
  const char* name;
  std::string file;
  std::function<void(json&)> change;
  Arguments arguments;
  int code;
  std::string reason;
};
void PrintTo(const BadSettings& item, std::ostream* out) { *out << item.name; }

class BadWhisper : public ::testing::TestWithParam<BadSettings> {};

TEST_P(BadWhisper, IsRefusedInOneLine) {
  TempFolder folder;
  const BadSettings& item = GetParam();
  spoil(folder.path(), item.file, item.change);
  Arguments arguments = item.arguments;
  arguments.insert(arguments.begin(), kTones);
  EXPECT_TRUE(refuses(transcribe(arguments, folder.path()), item.code, {item.reason}));
}

const char* const kGeneration = "generation_config.json";

INSTANTIATE_TEST_SUITE_P(Table, BadWhisper,
                         ::testing::Values(BadSettings{"NoLanguages",
                                                       kGeneration,
                                                       [](json& j) { j.erase("lang_to_id"); },
                                                       {"--language", "en"},
                                                       3,
                                                       "lang_to_id"},
                                           BadSettings{"NoTasks",
                                                       kGeneration,
                                                       [](json& j) { j.erase("task_to_id"); },
                                                       {"--task", "translate"},
                                                       3,
                                                       "task_to_id"},
                                           BadSettings{"EnglishOnly",
                                                       kGeneration,
                                                       [](json& j) { j["is_multilingual"] = false; },
                                                       {"--language", "de"},
                                                       2,
                                                       "English only"},
                                           BadSettings{"NoTimestamps",
                                                       kGeneration,
                                                       [](json& j) { j.erase("no_timestamps_token_id"); },
                                                       {"--timestamps", "--language", "en"},
                                                       3,
                                                       "no_timestamps_token_id"},
                                           BadSettings{"LanguageOutside",
                                                       kGeneration,
                                                       [](json& j) { j["lang_to_id"]["<|xx|>"] = 99999; },
                                                       {},
                                                       3,
                                                       "99999"},
                                           BadSettings{"NoStart",
                                                       kGeneration,
                                                       [](json& j) { j.erase("decoder_start_token_id"); },
                                                       {},
                                                       3,
                                                       "decoder_start_token_id"},
                                           BadSettings{"OtherMels",
                                                       "preprocessor_config.json",
                                                       [](json& j) { j["feature_size"] = 128; },
                                                       {},
                                                       3,
                                                       "80 mel bands"},
                                           BadSettings{"OtherWindow",
                                                       "config.json",
                                                       [](json& j) { j["max_source_positions"] = 1500; },
                                                       {},
                                                       3,
                                                       "max_source_positions"},
                                           BadSettings{"OtherExtractor",
                                                       "preprocessor_config.json",
                                                       [](json& j) {
                                                         j["feature_extractor_type"] = "ClapFeatureExtractor";
                                                       },
                                                       {},
                                                       3,
                                                       "ClapFeatureExtractor"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace vulcap::testing
