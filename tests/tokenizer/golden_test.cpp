// Whole tokenizers against transformers: every folder of golden/tokenizers and of golden/tokenizer_files
// (without tokenizer.json), every case of its cases.json.
#include <gtest/gtest.h>

#include <algorithm>

#include "loader/verify/tokenizer_cases.h"

namespace vulcap::tokenizer {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> golden_folders() {
  std::vector<std::string> names;
  for (const char* kind : {"tokenizers", "tokenizer_files"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(VULCAP_TEST_DATA) / kind))
      names.push_back(kind + ("/" + entry.path().filename().string()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, EqualsTransformers) {
  const int rows =
      loader::verify_tokenizer(fs::path(VULCAP_TEST_DATA) / GetParam(), [](const loader::VerifyRow& row) {
        EXPECT_TRUE(row.pass) << row.subject << " " << row.output << ": " << row.note;
      });
  EXPECT_GT(rows, 70);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(golden_folders()), test_name);

TEST(GoldenFolders, AreAllThere) { EXPECT_GE(golden_folders().size(), 21u + 29u); }

}  // namespace
}  // namespace vulcap::tokenizer
