// The command line itself: flags, their aliases, what is refused and what is warned about.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const std::string kImage = kSampleImage.string();

Outcome caption(Arguments arguments, const Environment& environment = {}) {
  arguments.insert(arguments.begin(), {"caption", "-m", kTinyModel.string(), "--device", "cpu"});
  return run_vulcap(arguments, environment);
}

TEST(Usage, HelpNamesSubcommandsAndExitCodes) {
  const Outcome outcome = run_vulcap({"--help"});
  ASSERT_TRUE(exits(outcome, 0));
  for (const char* part : {"caption", "verify", "inspect", "devices", "bench", "Exit codes"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
  }
  for (const char* command : {"caption", "verify", "inspect", "devices", "bench"}) {
    EXPECT_TRUE(exits(run_vulcap({command, "--help"}), 0)) << command;
  }
}

TEST(Usage, VersionIsOneLine) {
  const Outcome outcome = run_vulcap({"--version"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_TRUE(outcome.out.starts_with("vulcap ")) << outcome.out;
  EXPECT_EQ(lines_of(outcome.out).size(), 1u);
}

struct Refusal {
  const char* name;
  Arguments arguments;
  std::vector<std::string> parts;
};
void PrintTo(const Refusal& item, std::ostream* out) { *out << item.name; }

class UsageRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(UsageRefused, WithExitCode2AndOneLine) {
  EXPECT_TRUE(refuses(run_vulcap(GetParam().arguments), 2, GetParam().parts));
}

INSTANTIATE_TEST_SUITE_P(
    Table, UsageRefused,
    ::testing::Values(
        Refusal{"NoSubcommand", {}, {"subcommand"}}, Refusal{"UnknownSubcommand", {"describe", kImage}, {}},
        Refusal{"UnknownFlag", {"caption", "--bogus", kImage}, {"--bogus"}},
        Refusal{"NoImage", {"caption"}, {"image"}},
        Refusal{"Device", {"caption", "--device", "nonsense", kImage}, {"nonsense", "vulkan:N"}},
        Refusal{"Dtype", {"caption", "--device", "cpu", "--dtype", "fp7", kImage}, {"fp7", "fp16"}},
        Refusal{"Format", {"caption", "--format", "yaml", kImage}, {"yaml", "jsonl"}},
        Refusal{"Threads", {"caption", "--threads", "-3", kImage}, {"threads"}},
        Refusal{"NotANumber", {"caption", "--device", "cpu", kImage, "--num-beams", "many"}, {"num-beams"}},
        Refusal{"NoBeams", {"caption", "--device", "cpu", kImage, "--num-beams", "0"}, {"num_beams"}},
        Refusal{"MoreCaptionsThanBeams",
                {"caption", "--device", "cpu", kImage, "--num-beams", "2", "--num-return-sequences", "3"},
                {"num_return_sequences"}},
        Refusal{"BeamGroups",
                {"caption", "--device", "cpu", kImage, "--num-beam-groups", "2"},
                {"--num-beam-groups"}},
        Refusal{"Guidance",
                {"caption", "--device", "cpu", kImage, "--guidance_scale", "2"},
                {"--guidance_scale"}},
        Refusal{"Dim",
                {"inspect", kTinyModel.string(), "--device", "cpu", "--plan", "--dim", "batch"},
                {"NAME=SIZE", "batch"}}),
    [](const auto& test) { return test.param.name; });

TEST(Usage, SnakeCaseFlagsAreTheSame) {
  const Outcome kebab =
      caption({kImage, "--num-beams", "3", "--length-penalty", "2.0", "--max-new-tokens", "7"});
  const Outcome snake =
      caption({kImage, "--num_beams", "3", "--length_penalty", "2.0", "--max_new_tokens", "7"});
  const Outcome greedy = caption({kImage, "-n", "7"});
  ASSERT_TRUE(exits(kebab, 0));
  ASSERT_TRUE(exits(snake, 0));
  ASSERT_TRUE(exits(greedy, 0));
  EXPECT_EQ(kebab.out, snake.out);
}

TEST(Usage, FlagsMayStandBeforeAndBetweenTheImages) {
  const Outcome after = caption({kImage, kImage, "--num-beams=3", "--max-new-tokens=7"});
  ASSERT_TRUE(exits(after, 0));
  EXPECT_EQ(lines_of(after.out).size(), 2u);
  EXPECT_EQ(caption({"--num-beams", "3", "-n", "7", kImage, kImage}).out, after.out);
  EXPECT_EQ(caption({kImage, "--num_beams", "3", "--max-new-tokens", "7", kImage}).out, after.out);
  EXPECT_TRUE(exits(caption({"--do-sample", "--seed", "3", kImage, kImage}), 0));
}

TEST(Usage, EnvironmentGivesDefaultsAndFlagsWin) {
  EXPECT_TRUE(refuses(run_vulcap({"caption", kImage}, {{"VULCAP_ARG_DEVICE", "nonsense"}}), 2, {"nonsense"}));
  EXPECT_TRUE(
      exits(run_vulcap({"caption", kImage, "--device", "cpu"}, {{"VULCAP_ARG_DEVICE", "nonsense"}}), 0));
}

TEST(Usage, TokensAreLimitedAsAsked) {
  const Outcome outcome = caption({kImage, "--max-new-tokens", "5", "--format", "jsonl"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(nlohmann::json::parse(outcome.out).at("captions").at(0).at("ids").size(),
            6u);  // the start token and five
}

TEST(Usage, ThreadsDoNotChangeTheCaption) {
  const Outcome one = caption({kImage, "--threads", "1"});
  const Outcome two = caption({kImage, "-t", "2"});
  ASSERT_TRUE(exits(one, 0));
  ASSERT_TRUE(exits(two, 0));
  EXPECT_EQ(one.out, two.out);
}

TEST(Usage, SeededSamplingIsRepeatable) {
  const Arguments arguments{kImage, "--do-sample", "--seed", "11", "--temperature", "1.5"};
  const Outcome first = caption(arguments);
  ASSERT_TRUE(exits(first, 0));
  EXPECT_EQ(first.out, caption(arguments).out);
}

class GenerationConfigFile : public ::testing::Test {
 protected:
  Outcome caption_with(const nlohmann::json& fields) {
    copy_tiny_model(folder_ / "m");
    nlohmann::json config = nlohmann::json::parse(read_file(folder_ / "m/generation_config.json"));
    config.update(fields);
    write_file(folder_ / "m/generation_config.json", config.dump());
    return run_vulcap({"caption", "-m", (folder_ / "m").string(), "--device", "cpu", kImage});
  }
  TempFolder folder_;
};

TEST_F(GenerationConfigFile, UnknownFieldIsWarnedAboutByName) {
  const Outcome outcome = caption_with({{"frobnication_level", 4}});
  ASSERT_TRUE(exits(outcome, 0));
  const auto lines = lines_of(outcome.err);
  ASSERT_EQ(lines.size(), 1u) << outcome.err;
  EXPECT_TRUE(lines[0].starts_with("vulcap: warning: ")) << lines[0];
  EXPECT_NE(lines[0].find("frobnication_level"), std::string::npos) << lines[0];
}

TEST_F(GenerationConfigFile, FieldThatWouldChangeTheCaptionIsRefusedByName) {
  EXPECT_TRUE(
      refuses(caption_with({{"guidance_scale", 2.0}}), 3, {"generation_config.json", "guidance_scale"}));
  EXPECT_TRUE(refuses(caption_with({{"num_beam_groups", 2}, {"num_beams", 4}}), 3,
                      {"generation_config.json", "num_beam_groups"}));
}

TEST_F(GenerationConfigFile, WrongTypeIsRefusedByName) {
  EXPECT_TRUE(refuses(caption_with({{"num_beams", "many"}}), 3, {"generation_config.json", "num_beams"}));
}

TEST(Inspect, ShowsInputsOperatorsAndThePlan) {
  const Outcome outcome =
      run_vulcap({"inspect", (kTinyModel / "encoder_model.onnx").string(), "--device", "cpu", "--plan",
                  "--dim", "batch_size=1", "--dim", "height=48", "--dim", "width=48"});
  ASSERT_TRUE(exits(outcome, 0));
  for (const char* part : {"pixel_values", "last_hidden_state", "opsets: ai.onnx", "parameters:", "MatMul ",
                           "passes:", "attention", "layer_norm", "arena"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << " is not in\n" << outcome.out;
  }
}

TEST(Inspect, SizesMayStandBeforeTheFile) {
  const Outcome outcome = run_vulcap({"inspect", "--device", "cpu", "--dim", "height=48", "--dim", "width=48",
                                      "--plan", (kTinyModel / "encoder_model.onnx").string()});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("im2col"), std::string::npos) << outcome.out;
}

TEST(Inspect, TakesAFolder) {
  const Outcome outcome = run_vulcap({"inspect", kTinyModel.string(), "--device", "cpu"});
  ASSERT_TRUE(exits(outcome, 0));
  for (const char* name : {"encoder_model.onnx", "decoder_model_merged.onnx", "decoder_model.onnx",
                           "decoder_with_past_model.onnx"}) {
    EXPECT_NE(outcome.out.find(name), std::string::npos) << name;
  }
}

TEST(Inspect, DamagedFileIsRefused) {
  TempFolder folder;
  write_file(folder / "damaged.onnx", read_file(kTinyModel / "encoder_model.onnx").substr(0, 40000));
  EXPECT_TRUE(refuses(run_vulcap({"inspect", (folder / "damaged.onnx").string(), "--device", "cpu"}), 3,
                      {"damaged.onnx", "ends too early"}));
}

}  // namespace
}  // namespace vulcap::testing
