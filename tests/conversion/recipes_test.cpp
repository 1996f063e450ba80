// What the recipes of export/ write passes vulcap check on each device: valid, runs, serves its task. With an
// interpreter that has what export/requirements.txt lists, they are also run.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const fs::path kRecipes = kTestData / "recipes";

std::vector<std::string> folders() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kRecipes)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

void expect_passes(const std::string& folder, const std::string& device) {
  EXPECT_TRUE(exits(run_vulcap({"check", (kRecipes / folder).string(), "--device", device}), 0));
}

std::string name_of(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class CheckedRecipesCpu : public ::testing::TestWithParam<std::string> {};
TEST_P(CheckedRecipesCpu, Pass) { expect_passes(GetParam(), "cpu"); }
INSTANTIATE_TEST_SUITE_P(Folders, CheckedRecipesCpu, ::testing::ValuesIn(folders()), name_of);

class CheckedRecipesVulkan : public VulkanProgramTest, public ::testing::WithParamInterface<std::string> {};
TEST_P(CheckedRecipesVulkan, Pass) { expect_passes(GetParam(), "vulkan"); }
INSTANTIATE_TEST_SUITE_P(Folders, CheckedRecipesVulkan, ::testing::ValuesIn(folders()), name_of);

// Exporting, checking and verifying from nothing, as a user would.
TEST(Recipes, FromCheckpointToVerifiedFolder) {
  const char* python = std::getenv("VULCAP_EXPORT_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "VULCAP_EXPORT_PYTHON names no interpreter with torch";
  const TempFolder folder;
  const std::vector<std::string> names{"vit-gpt2",          "blip",    "git",     "florence2", "moondream",
                                       "prefix-vlm-cached", "colpali", "colqwen2"};
  Arguments arguments{VULCAP_SOURCE_DIR "/tests/generators/recipes.py", "--out", folder.path().string()};
  arguments.insert(arguments.end(), names.begin(), names.end());
  const Outcome outcome = ChildProcess(python, arguments, {}).wait(std::chrono::seconds(500));
  ASSERT_TRUE(exits(outcome, 0)) << outcome.out;
  for (const std::string& name : names) {
    for (const char* command : {"check", "verify"})
      EXPECT_TRUE(exits(run_vulcap({command, (folder / name).string(), "--device", "cpu"}), 0));
  }
}

TEST(Recipes, CodeOfACheckpointRunsOnlyWhenAsked) {
  const char* python = std::getenv("VULCAP_EXPORT_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "VULCAP_EXPORT_PYTHON names no interpreter with torch";
  const TempFolder folder;
  const std::string checkpoint = (folder / "checkpoint").string(), out = (folder / "out").string();
  const Environment from_source{{"PYTHONPATH", VULCAP_SOURCE_DIR}};
  const auto run = [&](const Arguments& arguments) {
    return ChildProcess(python, arguments, from_source).wait(std::chrono::seconds(200));
  };
  ASSERT_TRUE(exits(run({"-m", "export.tiny", "moondream", checkpoint}), 0));
  const fs::path code = fs::path(checkpoint) / "tiny_moondream.py";
  write_file(code, "open('" + (folder / "ran").string() + "', 'w')\n" + read_file(code));
  const Outcome outcome = run({"-m", "export", "auto", checkpoint, out});
  EXPECT_TRUE(exits(outcome, 2));
  EXPECT_NE(outcome.err.find("--trust-remote-code"), std::string::npos) << outcome.err;
  EXPECT_FALSE(fs::exists(folder / "ran"));
  EXPECT_FALSE(fs::exists(out));
}

// A request that cannot be met leaves nothing behind.
TEST(Recipes, RefusedInOneLine) {
  const char* python = std::getenv("VULCAP_EXPORT_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "VULCAP_EXPORT_PYTHON names no interpreter with torch";
  const TempFolder folder;
  const std::string empty = folder.path().string(), out = (folder / "out").string();
  const Environment from_source{{"PYTHONPATH", VULCAP_SOURCE_DIR}};
  const auto refused = [&](const Arguments& more, int code, const std::string& part) {
    Arguments arguments{"-m", "export"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = ChildProcess(python, arguments, from_source).wait(std::chrono::seconds(200));
    EXPECT_TRUE(exits(outcome, code));
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_TRUE(fs::is_empty(folder.path()));
  };
  refused({"auto", empty, out}, 3, "holds no config.json");
  refused({"auto", empty, out, "--opset", "9"}, 2, "13 to 20");
  refused({"auto", empty, empty}, 2, "exists");
}

}  // namespace
}  // namespace vulcap::testing
