// Drivers that crash, hang or end the process when they are asked for their devices.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const std::string kGoodDriver = VULCAP_SOFTWARE_DRIVER;

class BadDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kGoodDriver.empty()) GTEST_SKIP() << "skipped: no lvp_icd.*.json in /usr/share/vulkan/icd.d";
    write_file(bad_, R"({"file_format_version": "1.0.0", "ICD": {"api_version": "1.3.0", "library_path": ")" +
                         std::string(VULCAP_BAD_DRIVER) + "\"}}");
  }

  Environment environment(const std::string& how, const std::string& drivers) const {
    return {{"VULCAP_BAD_DRIVER", how},    {"VK_DRIVER_FILES", drivers},
            {"VK_ICD_FILENAMES", drivers}, {"VULCAP_VK_PROBE_TIMEOUT", "1.5"},
            {"VULCAP_VALIDATION", "0"},    {"XDG_CACHE_HOME", (folder_ / "cache").string()}};
  }

  TempFolder folder_;
  fs::path bad_ = folder_ / "bad_icd.json";
  std::string both_ = bad_.string() + ":" + kGoodDriver;
};

TEST_F(BadDriver, CostsOneLineAndTheOthersRun) {
  for (const auto& [how, words] :
       {std::pair{"crash", "crashes (SIGABRT)"}, {"exit", "exit code 3"}, {"hang", "does not answer"}}) {
    const Outcome outcome = run_vulcap(
        {"caption", "-m", kTinyModel.string(), "--device", "vulkan", "-n", "4", kSampleImage.string()},
        environment(how, both_));
    ASSERT_TRUE(exits(outcome, 0)) << how << outcome.err;
    const auto lines = lines_of(outcome.err);
    ASSERT_EQ(lines.size(), 1u) << outcome.err;
    EXPECT_NE(lines[0].find(words), std::string::npos) << lines[0];
    EXPECT_NE(lines[0].find(bad_.string()), std::string::npos) << lines[0];
  }
}

TEST_F(BadDriver, AloneItLeavesTheCpu) {
  const Outcome outcome = run_vulcap({"caption", "-m", kTinyModel.string(), "-n", "4", kSampleImage.string()},
                                     environment("crash", bad_.string()));
  ASSERT_TRUE(exits(outcome, 0)) << outcome.err;
  EXPECT_NE(outcome.err.find("crashes"), std::string::npos) << outcome.err;
  EXPECT_TRUE(
      refuses(run_vulcap({"caption", "-m", kTinyModel.string(), "--device", "vulkan", kSampleImage.string()},
                         environment("crash", bad_.string())),
              4, {"crashes (SIGABRT)"}));
}

TEST_F(BadDriver, DoctorNamesItAndSaysWhatToDo) {
  const Outcome outcome = run_vulcap({"doctor"}, environment("crash", both_));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("bad_icd.json: crashes (SIGABRT)"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("what to do: update the driver"), std::string::npos) << outcome.out;
}

TEST_F(BadDriver, TheProbesLimitMustBeANumber) {
  Environment odd = environment("crash", both_);
  odd["VULCAP_VK_PROBE_TIMEOUT"] = "soon";
  EXPECT_TRUE(refuses(run_vulcap({"caption", kSampleImage.string()}, odd), 2, {"VULCAP_VK_PROBE_TIMEOUT"}));
}

// What was found is kept, and found anew when a driver's file changes.
TEST_F(BadDriver, AnswersAreKeptUntilAFileChanges) {
  const Environment good = environment("", kGoodDriver);
  ASSERT_TRUE(exits(run_vulcap({"devices"}, good), 0));
  const fs::path kept = folder_ / "cache/vulcap/devices.txt";
  ASSERT_TRUE(fs::exists(kept));
  const std::string first = read_file(kept);
  std::string changed = first;
  changed.replace(changed.find("name "), 5, "name Kept ");
  write_file(kept, changed);
  EXPECT_NE(run_vulcap({"devices"}, good).out.find("Kept llvmpipe"), std::string::npos);
  EXPECT_EQ(run_vulcap({"devices"}, environment("", both_)).out.find("Kept llvmpipe"), std::string::npos);
  write_file(kept, first.substr(0, first.size() / 2));
  EXPECT_NE(run_vulcap({"devices"}, good).out.find("vulkan:0: llvmpipe"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::testing
