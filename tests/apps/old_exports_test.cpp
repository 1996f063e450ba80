// Folders as exporters of other years wrote them (opset 11 to 14, eager attention, split or no cache, float16
// in onnx/): `vulcap verify` agrees with their expected answers on each device.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

struct OldExport {
  std::string folder;
  int comparisons;  // a fact about the folder: a silently skipped graph or case would change it
};

void PrintTo(const OldExport& item, std::ostream* out) { *out << item.folder; }

const std::vector<OldExport> kOldExports{{"opset11-eager", 29},   {"opset13-eager", 29},
                                         {"opset14-sdpa", 29},    {"opset12-pair", 29},
                                         {"opset13-no-past", 11}, {"opset14-fp16", 29}};

fs::path folder_of(const OldExport& item) { return kTestData / "vit-gpt2-old" / item.folder; }

void expect_all_pass(const OldExport& item, const std::string& device) {
  const Outcome outcome = run_vulcap({"verify", folder_of(item).string(), "--device", device});
  ASSERT_TRUE(exits(outcome, 0));
  const std::string summary = "\n" + std::to_string(item.comparisons) + " passed, 0 failed on " + device;
  EXPECT_NE(outcome.out.find(summary), std::string::npos) << outcome.out;
}

std::string name_of(const ::testing::TestParamInfo<OldExport>& info) {
  std::string name = info.param.folder;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class OldExportsCpu : public ::testing::TestWithParam<OldExport> {};
TEST_P(OldExportsCpu, AgreeWithExpectedAnswers) { expect_all_pass(GetParam(), "cpu"); }
INSTANTIATE_TEST_SUITE_P(Folders, OldExportsCpu, ::testing::ValuesIn(kOldExports), name_of);

class OldExportsVulkan : public VulkanProgramTest, public ::testing::WithParamInterface<OldExport> {};
TEST_P(OldExportsVulkan, AgreeWithExpectedAnswers) { expect_all_pass(GetParam(), "vulkan"); }
INSTANTIATE_TEST_SUITE_P(Folders, OldExportsVulkan, ::testing::ValuesIn(kOldExports), name_of);

TEST(OldExports, EveryFolderIsListed) {
  size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(kTestData / "vit-gpt2-old"))
    folders += entry.is_directory();
  EXPECT_EQ(folders, kOldExports.size());
}

// Its captions cannot come from float32 files.
TEST(OldExports, Fp16FolderHasNoOtherVariant) {
  const fs::path folder = kTestData / "vit-gpt2-old" / "opset14-fp16";
  const Arguments arguments{
      "caption", "--model", folder.string(), "--device",
      "cpu",     "--dtype", "fp32",          (folder / "expected/images/ramps.png").string()};
  EXPECT_TRUE(refuses(run_vulcap(arguments), 3, {"fp32", "encoder_model_fp16.onnx"}));
}

}  // namespace
}  // namespace vulcap::testing
