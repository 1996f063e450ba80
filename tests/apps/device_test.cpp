// Choice of a device, what happens without one, and the pipeline cache on disk.
#include <gtest/gtest.h>

#include <random>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

Arguments caption_on(const std::string& device) {
  return {"caption", "-m", kTinyModel.string(), "--device", device, kSampleImage.string()};
}

Environment with_cache(const fs::path& folder, Environment environment = {}) {
  environment["XDG_CACHE_HOME"] = folder.string();
  return environment;
}

TEST(WithoutVulkan, VulkanIsRefusedWithExitCode4) {
  EXPECT_TRUE(refuses(run_vulcap(caption_on("vulkan"), without_vulkan()), 4, {"no Vulkan device"}));
  EXPECT_TRUE(refuses(run_vulcap(caption_on("vulkan:0"), without_vulkan()), 4, {"no Vulkan device"}));
  EXPECT_TRUE(refuses(run_vulcap({"verify", kTinyModel.string(), "--device", "vulkan"}, without_vulkan()), 4,
                      {"no Vulkan device"}));
}

TEST(WithoutVulkan, AutoRunsOnTheCpuAndSaysWhy) {
  const Outcome outcome = run_vulcap(caption_on("auto"), without_vulkan());
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, run_vulcap(caption_on("cpu")).out);
  const auto lines = lines_of(outcome.err);
  ASSERT_EQ(lines.size(), 1u) << outcome.err;
  EXPECT_NE(lines[0].find("cpu"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("no Vulkan"), std::string::npos) << lines[0];
}

TEST(WithoutVulkan, DevicesListsTheCpuAndTheReason) {
  const Outcome outcome = run_vulcap({"devices"}, without_vulkan());
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("vulkan: "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("cpu: "), std::string::npos) << outcome.out;
}

TEST(WithoutVulkan, CpuAloneNeverAsksForIt) {
  const Outcome outcome = run_vulcap(caption_on("cpu"), without_vulkan());
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.err, "");
}

class Vulkan : public VulkanProgramTest {};

TEST_F(Vulkan, DevicesNamesDriverMemoryAndFeatures) {
  const Outcome outcome = run_vulcap({"devices"});
  ASSERT_TRUE(exits(outcome, 0));
  for (const char* part : {"vulkan:0: ", "driver: ", "memory: ", "subgroup size: ", "fp16: ", "int8: ",
                           "int dot: ", "cooperative matrix: ", "instruction sets:"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << " is not in\n" << outcome.out;
  }
}

TEST_F(Vulkan, SameCaptionAsTheCpu) {
  const Outcome outcome = run_vulcap(caption_on("vulkan:0"));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, run_vulcap(caption_on("cpu")).out);
}

TEST_F(Vulkan, AbsentOnesAreRefusedAndThePresentAreListed) {
  EXPECT_TRUE(refuses(run_vulcap(caption_on("vulkan:99")), 4, {"vulkan:99", "vulkan:0"}));
  EXPECT_TRUE(refuses(run_vulcap(caption_on("name:no such device")), 4, {"no such device", "vulkan:0"}));
}

TEST_F(Vulkan, AutoSaysSoWhenItTakesTheCpu) {
  const Outcome outcome = run_vulcap(caption_on("auto"));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, run_vulcap(caption_on("cpu")).out);
  EXPECT_LE(lines_of(outcome.err).size(), 1u) << outcome.err;
}

TEST_F(Vulkan, ValidationFindsNothing) {
  Environment environment{{"VULCAP_VALIDATION", "1"}};
  const Outcome outcome = run_vulcap(caption_on("vulkan"), environment);
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.err, "");
}

// The folder cannot be made: a regular file stands where it should be.
fs::path blocked_folder(const TempFolder& folder) {
  write_file(folder / "file", "in the way");
  return folder / "file/cache";
}

TEST(PipelineCache, CpuNeedsNone) {
  TempFolder folder;
  EXPECT_TRUE(exits(run_vulcap(caption_on("cpu"), with_cache(blocked_folder(folder))), 0));
}

class PipelineCacheVulkan : public VulkanProgramTest {
 protected:
  void expect_caption() {
    const Outcome outcome = run_vulcap(caption_on("vulkan"), with_cache(folder_.path()));
    ASSERT_TRUE(exits(outcome, 0));
    EXPECT_EQ(outcome.out, caption_);
    EXPECT_EQ(outcome.err, "");
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "vulcap")) {
      if (entry.path().extension() == ".bin") found.push_back(entry.path());
    }
    return found;
  }

  TempFolder folder_;
  std::string caption_ = run_vulcap(caption_on("cpu")).out;
};

TEST_F(PipelineCacheVulkan, FolderThatCannotBeMadeIsDoneWithout) {
  for (const fs::path& odd :
       {blocked_folder(folder_), fs::path("/dev/null"), fs::path("/proc/nothing/here")}) {
    const Outcome outcome = run_vulcap(caption_on("vulkan"), with_cache(odd));
    ASSERT_TRUE(exits(outcome, 0)) << odd;
    EXPECT_EQ(outcome.out, caption_);
  }
}

TEST_F(PipelineCacheVulkan, DamagedFileIsAMissAndIsReplaced) {
  expect_caption();
  ASSERT_EQ(files().size(), 1u);
  const fs::path file = files()[0];
  const std::string good = read_file(file);
  ASSERT_GT(good.size(), 64u);
  std::string flipped = good;
  flipped[good.size() / 2] = char(flipped[good.size() / 2] ^ 1);
  std::string noise(good.size(), '\0');
  std::mt19937 random(20231);
  for (char& byte : noise) byte = char(random());
  for (const std::string& bad :
       {std::string(), good.substr(0, 10), good.substr(0, good.size() - 1), flipped, noise}) {
    write_file(file, bad);
    expect_caption();
    EXPECT_EQ(files().size(), 1u);
    EXPECT_NE(read_file(file), bad) << "a damaged file of " << bad.size() << " bytes was left in place";
  }
}

}  // namespace
}  // namespace vulcap::testing
