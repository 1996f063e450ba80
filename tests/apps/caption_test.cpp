// `vulcap caption` on the embedded model: the captions are those of the reference, in every format.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

const fs::path kImages = kEmbeddedModel / "expected" / "images";

std::map<std::string, std::string> reference(const std::string& file) {
  return json::parse(read_file(kImages / file)).get<std::map<std::string, std::string>>();
}

// How many of the reference captions come out, all images in one run.
size_t equal_captions(const std::string& device, const std::string& dtype,
                      const std::string& reference_file) {
  const auto wanted = reference(reference_file);
  EXPECT_EQ(wanted.size(), 120u);
  Arguments arguments{"caption", "--device", device, "--dtype", dtype, "--format", "jsonl"};
  for (const auto& [name, caption] : wanted) arguments.push_back((kImages / name).string());
  const Outcome outcome = run_vulcap(arguments, {}, std::chrono::seconds(300));
  EXPECT_TRUE(exits(outcome, 0));
  size_t equal = 0;
  for (const std::string& line : lines_of(outcome.out)) {
    const json record = json::parse(line);
    const std::string name = fs::path(record.at("file").get<std::string>()).filename().string();
    if (record.at("caption") == wanted.at(name)) {
      ++equal;
    } else {
      std::printf("%s: %s, reference: %s\n", name.c_str(), record.at("caption").get<std::string>().c_str(),
                  wanted.at(name).c_str());
    }
  }
  return equal;
}

TEST(Caption, All120ReferenceCaptionsInFp32OnCpu) {
  EXPECT_EQ(equal_captions("cpu", "fp32", "captions.json"), 120u);
}
TEST(Caption, At99PercentOfReferenceCaptionsInFp16OnCpu) {
  EXPECT_GE(equal_captions("cpu", "fp16", "captions.json"), 119u);
}
TEST(Caption, At99PercentOfOnnxRuntimesFp16CaptionsOnCpu) {
  EXPECT_GE(equal_captions("cpu", "fp16", "captions_ort_fp16.json"), 119u);
}

TEST(Caption, At98PercentOfOnnxRuntimesDynamicInt8CaptionsOnCpu) {
  EXPECT_GE(equal_captions("cpu", "q8", "captions_ort_quantized.json"), 118u);
}
TEST(Caption, At98PercentOfOnnxRuntimes4BitCaptionsOnCpu) {
  EXPECT_GE(equal_captions("cpu", "q4", "captions_ort_q4.json"), 118u);
}

class CaptionVulkan : public VulkanProgramTest {};
TEST_F(CaptionVulkan, At98PercentOfOnnxRuntimesDynamicInt8Captions) {
  EXPECT_GE(equal_captions("vulkan", "q8", "captions_ort_quantized.json"), 118u);
}
TEST_F(CaptionVulkan, At98PercentOfOnnxRuntimes4BitCaptions) {
  EXPECT_GE(equal_captions("vulkan", "q4", "captions_ort_q4.json"), 118u);
}
TEST_F(CaptionVulkan, All120ReferenceCaptionsInFp32) {
  EXPECT_EQ(equal_captions("vulkan", "fp32", "captions.json"), 120u);
}
TEST_F(CaptionVulkan, At99PercentOfReferenceCaptionsInFp16) {
  EXPECT_GE(equal_captions("vulkan", "fp16", "captions.json"), 119u);
}

Arguments three_images() {
  return {"caption",
          "--device",
          "cpu",
          (kImages / "scene_000.png").string(),
          (kImages / "scene_004.jpg").string(),
          (kImages / "scene_005.png").string()};
}

TEST(CaptionFormat, TextOfOneImageIsTheCaptionAlone) {
  const Outcome outcome = run_vulcap({"caption", "--device", "cpu", (kImages / "scene_005.png").string()});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, reference("captions.json").at("scene_005.png") + "\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(CaptionFormat, TextOfSeveralImagesNamesThem) {
  const Outcome outcome = run_vulcap(three_images());
  ASSERT_TRUE(exits(outcome, 0));
  const auto wanted = reference("captions.json");
  std::string text;
  for (const char* name : {"scene_000.png", "scene_004.jpg", "scene_005.png"})
    text += (kImages / name).string() + ": " + wanted.at(name) + "\n";
  EXPECT_EQ(outcome.out, text);
}

TEST(CaptionFormat, JsonIsOneArray) {
  Arguments arguments = three_images();
  arguments.insert(arguments.end(), {"--format", "json"});
  const Outcome outcome = run_vulcap(arguments);
  ASSERT_TRUE(exits(outcome, 0));
  const json records = json::parse(outcome.out);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].at("file"), (kImages / "scene_004.jpg").string());
  EXPECT_EQ(records[1].at("caption"), reference("captions.json").at("scene_004.jpg"));
  EXPECT_TRUE(records[1].at("captions").at(0).at("ids").is_array());
  EXPECT_GT(records[1].at("timing").at("total").get<double>(), 0);
  EXPECT_EQ(records[1].at("device").get<std::string>().substr(0, 3), "cpu");
}

TEST(CaptionFormat, JsonlIsOneObjectALine) {
  Arguments arguments = three_images();
  arguments.insert(arguments.end(), {"--format", "jsonl"});
  const Outcome outcome = run_vulcap(arguments);
  ASSERT_TRUE(exits(outcome, 0));
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(json::parse(lines[2]).at("caption"), reference("captions.json").at("scene_005.png"));
}

TEST(CaptionFormat, BeamsGiveScoredCaptionsBestFirst) {
  const Outcome outcome =
      run_vulcap({"caption", "--device", "cpu", (kImages / "scene_005.png").string(), "--num-beams", "4",
                  "--num-return-sequences", "3", "--format", "jsonl"});
  ASSERT_TRUE(exits(outcome, 0));
  const json captions = json::parse(outcome.out).at("captions");
  ASSERT_EQ(captions.size(), 3u);
  EXPECT_GE(captions[0].at("score").get<double>(), captions[1].at("score").get<double>());
  EXPECT_GE(captions[1].at("score").get<double>(), captions[2].at("score").get<double>());
  EXPECT_EQ(captions[0].at("text"), reference("captions.json").at("scene_005.png"));
}

TEST(CaptionVerbose, SaysDeviceFilesDtypeAndTimingsOnStderr) {
  const Outcome outcome =
      run_vulcap({"caption", "-v", "--device", "cpu", (kImages / "scene_005.png").string()});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(lines_of(outcome.out).size(), 1u);
  for (const char* part : {"device: cpu", "encoder_model.onnx (fp32)", "decoder_model_merged.onnx (fp32)",
                           "decode ", "preprocess ", "encode ", "prefill ", "steps of "}) {
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << " is not in\n" << outcome.err;
  }
}

}  // namespace
}  // namespace vulcap::testing
