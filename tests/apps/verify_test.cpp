// `vulcap verify`: the golden and the embedded model agree with their expected answers on each device; a
// wrong answer is told apart and named.
#include <gtest/gtest.h>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

void expect_all_pass(const fs::path& model, const std::string& device, const std::string& summary) {
  const Outcome outcome =
      run_vulcap({"verify", model.string(), "--device", device}, {}, std::chrono::seconds(300));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("\n" + summary + " passed, 0 failed on " + device), std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.out.find("FAIL"), std::string::npos) << outcome.out;
}

// The number of comparisons is a fact about the folder: a silently skipped graph would change it.
constexpr const char* kTinyComparisons = "88";
constexpr const char* kEmbeddedComparisons = "144";

TEST(Verify, TinyModelOnCpu) { expect_all_pass(kTinyModel, "cpu", kTinyComparisons); }
TEST(Verify, EmbeddedModelOnCpu) { expect_all_pass(kEmbeddedModel, "cpu", kEmbeddedComparisons); }

class VerifyVulkan : public VulkanProgramTest {};
TEST_F(VerifyVulkan, TinyModel) { expect_all_pass(kTinyModel, "vulkan", kTinyComparisons); }
TEST_F(VerifyVulkan, EmbeddedModel) { expect_all_pass(kEmbeddedModel, "vulkan", kEmbeddedComparisons); }

// A copy with one expected text or tensor changed.
class PlantedMismatch : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy(kTinyModel, folder_ / "model", fs::copy_options::recursive);
    fs::create_directory(folder_ / "images");
    for (const auto& entry : fs::directory_iterator(kTestData / "images")) {
      if (entry.is_regular_file()) fs::copy_file(entry.path(), folder_ / "images" / entry.path().filename());
    }
  }
  fs::path expected(const std::string& name) const { return folder_ / "model/expected" / name; }
  Outcome verify() const {
    return run_vulcap({"verify", (folder_ / "model").string(), "--device", "cpu", "--failures"});
  }

  TempFolder folder_;
};

TEST_F(PlantedMismatch, UnchangedCopyPasses) { EXPECT_TRUE(exits(verify(), 0)); }

TEST_F(PlantedMismatch, WrongTensorIsNamed) {
  const fs::path file = expected("graphs/encoder_model/test_data_set_0/output_0.pb");
  std::string bytes = read_file(file);
  ASSERT_GT(bytes.size(), 64u);
  bytes[bytes.size() - 1] = char(bytes[bytes.size() - 1] ^ 0x40);  // exponent of the last float
  write_file(file, bytes);
  const Outcome outcome = verify();
  ASSERT_TRUE(exits(outcome, 6));
  EXPECT_NE(outcome.out.find("encoder_model/0"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("last_hidden_state"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("87 passed, 1 failed"), std::string::npos) << outcome.out;
}

TEST_F(PlantedMismatch, WrongIdIsNamed) {
  const fs::path file = expected("pipeline.json");
  std::string text = read_file(file);
  const size_t at = text.find("\"sequences\"");
  const size_t digit = text.find_first_of("123456789", at);
  ASSERT_NE(digit, std::string::npos);
  text[digit] = text[digit] == '9' ? '8' : char(text[digit] + 1);
  write_file(file, text);
  const Outcome outcome = verify();
  ASSERT_TRUE(exits(outcome, 6));
  EXPECT_NE(outcome.out.find("pipeline/"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("87 passed, 1 failed"), std::string::npos) << outcome.out;
}

TEST_F(PlantedMismatch, ExpectedGraphWithoutItsFileFails) {
  fs::rename(expected("graphs/encoder_model"), expected("graphs/encoder_modle"));
  const Outcome outcome = verify();
  ASSERT_TRUE(exits(outcome, 6));
  EXPECT_NE(outcome.out.find("encoder_modle"), std::string::npos) << outcome.out;
}

TEST(Verify, FolderWithoutAnswersIsRefused) {
  TempFolder folder;
  copy_tiny_model(folder / "model");
  EXPECT_TRUE(refuses(run_vulcap({"verify", (folder / "model").string(), "--device", "cpu"}), 3,
                      {"nothing to verify"}));
}

TEST(Verify, OnlyGraphsOrOnlyThePipeline) {
  const Outcome graphs = run_vulcap({"verify", kTinyModel.string(), "--device", "cpu", "--only", "graphs"});
  const Outcome pipeline =
      run_vulcap({"verify", kTinyModel.string(), "--device", "cpu", "--only", "pipeline"});
  ASSERT_TRUE(exits(graphs, 0));
  ASSERT_TRUE(exits(pipeline, 0));
  EXPECT_NE(graphs.out.find("\n53 passed"), std::string::npos) << graphs.out;
  EXPECT_NE(pipeline.out.find("\n35 passed"), std::string::npos) << pipeline.out;
}

TEST(Verify, JsonlHasOneObjectAComparison) {
  const Outcome outcome = run_vulcap({"verify", kTinyModel.string(), "--device", "cpu", "--format", "jsonl"});
  ASSERT_TRUE(exits(outcome, 0));
  const auto lines = lines_of(outcome.out);
  EXPECT_EQ(std::to_string(lines.size()), kTinyComparisons);
  for (const std::string& line : lines) {
    EXPECT_EQ(line.front(), '{');
    EXPECT_NE(line.find("\"pass\":true"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace vulcap::testing
