#include "tests/apps/program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/onnx/model_builder.h"

namespace vulcap::testing {
namespace {

namespace fs = std::filesystem;
using onnx_test::TempFolder;

const std::string kScenes = std::string(VULCAP_SOURCE_DIR) + "/models/scenes-vit-gpt2";
const std::string kResnet = std::string(VULCAP_TEST_DATA) + "/families/resnet-image-classification";
const std::string kTaskImages = std::string(VULCAP_TEST_DATA) + "/families/task-images";

// A folder of a few of the embedded model's images.
fs::path some_images(const TempFolder& folder, size_t count) {
  const fs::path images = folder / "images";
  fs::create_directories(images);
  for (const auto& entry : fs::directory_iterator(kScenes + "/expected/images")) {
    if (count-- == 0) break;
    fs::copy_file(entry.path(), images / entry.path().filename());
  }
  return images;
}

TEST(Quantize, CalibratesAndReports) {
  TempFolder folder;
  const std::string images = some_images(folder, 3).string(), out = (folder / "out").string(),
                    report = (folder / "report.json").string();
  const Outcome outcome =
      run_vulcap({"quantize", kScenes, "-o", out, "--to", "int8", "--calibrate", images,
                  "--calibration-method", "percentile", "--images", images, "--report", report});
  ASSERT_TRUE(exits(outcome, 0)) << outcome.err;
  EXPECT_NE(outcome.out.find("of 3 answers changed"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("ms a sample"), std::string::npos) << outcome.out;
  std::ifstream file(report);
  const nlohmann::json json = nlohmann::json::parse(file);
  EXPECT_EQ(json.at("answers"), 3);
  EXPECT_EQ(json.at("files").size(), 2u);
  EXPECT_LT(json.at("bytes_after"), json.at("bytes_before"));
  EXPECT_GE(json.at("speed").size(), 1u);
  EXPECT_TRUE(exits(run_vulcap({"caption", "-m", out, fs::directory_iterator(images)->path().string()}), 0));
}

TEST(Quantize, SearchesTheSmallestMix) {
  TempFolder folder;
  const std::string images = some_images(folder, 4).string(), out = (folder / "out").string();
  const Outcome outcome =
      run_vulcap({"quantize", kScenes, "-o", out, "--auto", "--max-caption-change", "0%", "--images", images},
                 without_vulkan());
  ASSERT_TRUE(exits(outcome, 0)) << outcome.err;
  EXPECT_NE(outcome.out.find("encoder_model=q4"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("0 of 4 answers changed"), std::string::npos) << outcome.out;
}

TEST(Quantize, OneFileOfAFolderIsCalibratedByTheFolder) {
  TempFolder folder;
  const std::string out = (folder / "model_int8.onnx").string();
  const Outcome outcome = run_vulcap(
      {"quantize", kResnet + "/model.onnx", "-o", out, "--to", "int8", "--calibrate", kTaskImages});
  ASSERT_TRUE(exits(outcome, 0)) << outcome.err;
  EXPECT_TRUE(fs::exists(out));
}

struct Refusal {
  const char* name;
  Arguments arguments;
  std::vector<std::string> parts;
};

class RefusedTrials : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedTrials, SayWhy) {
  TempFolder folder;
  fs::create_directories(folder / "empty");
  std::ofstream(folder / "lines.txt") << "a cat\n";
  Arguments arguments{"quantize"};
  for (std::string argument : GetParam().arguments) {
    if (argument.starts_with("@")) argument = (folder / argument.substr(1)).string();
    arguments.push_back(argument);
  }
  arguments.insert(arguments.end(), {"-o", (folder / "out").string()});
  EXPECT_TRUE(refuses(run_vulcap(arguments), 2, GetParam().parts));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedTrials,
    ::testing::Values(
        Refusal{
            "EmptyFolder", {kScenes, "--to", "int8", "--calibrate", "@empty"}, {"has no PNG or JPEG files"}},
        Refusal{"NoSuchData", {kScenes, "--to", "int8", "--calibrate", "@nope"}, {"no such folder"}},
        Refusal{
            "TextForACaptioner", {kScenes, "--to", "int8", "--calibrate", "@lines.txt"}, {"captions images"}},
        Refusal{
            "NotForBlocks", {kScenes, "--to", "q4", "--calibrate", kTaskImages}, {"calibration is for int8"}},
        Refusal{"ShareOutOfRange",
                {kScenes, "--auto", "--images", kTaskImages, "--max-caption-change", "101%"},
                {"--max-caption-change 101%"}},
        Refusal{
            "AutoWithFormat", {kScenes, "--auto", "--to", "q4", "--images", kTaskImages}, {"--auto chooses"}},
        Refusal{"AutoWithoutImages", {kScenes, "--auto"}, {"--auto needs --images"}},
        Refusal{"AutoOfAFile", {kResnet + "/model.onnx", "--auto", "--images", kTaskImages}, {"one file"}}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace vulcap::testing
