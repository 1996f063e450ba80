// Whole tokenizers against transformers: every folder of golden/tokenizers, every case of its cases.json.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/tokenizer/golden_cases.h"

namespace vulcap::tokenizer {
namespace {

std::vector<std::string> golden_folders() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(VULCAP_TEST_DATA) + "/tokenizers")) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, EqualsTransformers) {
  GoldenRun run(std::filesystem::path(VULCAP_TEST_DATA) / "tokenizers" / GetParam());
  const GoldenResult result = run.run();
  EXPECT_GT(result.checks, 1000u);
  for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(golden_folders()), test_name);

TEST(GoldenFolders, AreAllThere) { EXPECT_GE(golden_folders().size(), 21u); }

}  // namespace
}  // namespace vulcap::tokenizer
