// What the export recipes make of a checkpoint, with a PEFT adapter merged into the folder by vulcap
// merge-lora, answers as what they make of the checkpoint into which PEFT merged it.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

class LoraRecipe : public ::testing::TestWithParam<std::string> {};

TEST_P(LoraRecipe, AnswersAsPeftMerges) {
  const fs::path golden = kTestData / "lora_recipes" / GetParam();
  TempFolder folder;
  const std::string merged = (folder / "merged").string();
  ASSERT_TRUE(exits(run_vulcap({"merge-lora", (kTestData / "recipes" / GetParam()).string(),
                                (golden / "adapter").string(), "-o", merged}),
                    0));
  fs::copy(golden / "expected", folder / "merged" / "expected", fs::copy_options::recursive);
  const Outcome outcome = run_vulcap({"verify", merged, "--only", "graphs", "--device", "cpu"});
  EXPECT_TRUE(exits(outcome, 0)) << outcome.out;
}

std::vector<std::string> recipes() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kTestData / "lora_recipes"))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Recipes, LoraRecipe, ::testing::ValuesIn(recipes()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace vulcap::testing
