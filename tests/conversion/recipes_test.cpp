// What the recipes of export/ write passes vulcap check on each device: valid, runs, serves its task.
#include <gtest/gtest.h>

#include <algorithm>

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

}  // namespace
}  // namespace vulcap::testing
