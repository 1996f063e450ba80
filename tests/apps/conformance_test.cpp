// vulcap conformance on small folders: what passes, fails, is skipped, and how that is told.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/onnx_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

const core::Tensor kOnes = floats({2, 1}, {1, 1});
const core::Tensor kTwos = floats({2, 1}, {2, 2});
const core::Tensor kThrees = floats({2, 1}, {3, 3});

::onnx::ModelProto string_model() {
  ::onnx::ModelProto model = sum_model();
  auto* graph = model.mutable_graph();
  graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(::onnx::TensorProto::STRING);
  return model;
}

::onnx::ModelProto dropout_model() {
  namespace builder = onnx_test;
  ::onnx::ModelProto model = builder::empty_model();
  auto* graph = model.mutable_graph();
  builder::set_value(graph->add_input(), "x", ::onnx::TensorProto::FLOAT, {2, 1});
  builder::set_value(graph->add_input(), "training", ::onnx::TensorProto::BOOL, {});
  builder::set_value(graph->add_output(), "y", ::onnx::TensorProto::FLOAT, {2, 1});
  builder::add_node(graph, "Dropout", {"x", "", "training"}, {"y"});
  return model;
}

// node/test_sum passes, node/test_wrong fails, simple/test_strings and simple/test_dropout are out of scope.
class Conformance : public ::testing::Test {
 protected:
  void SetUp() override {
    write_test(folder_ / "node/test_sum", sum_model(), {kOnes, kTwos}, {kThrees});
    write_test(folder_ / "node/test_wrong", sum_model(), {kOnes, kTwos}, {kTwos});
    write_test(folder_ / "simple/test_strings", string_model(), {kOnes, kTwos}, {kThrees});
    write_test(folder_ / "simple/test_dropout", dropout_model(),
               {kOnes, core::Tensor::from<uint8_t>(core::DType::kBool, {}, {1})}, {kOnes});
  }

  Outcome run(Arguments more) const {
    more.insert(more.begin(), {"conformance", folder_.path().string(), "--memory", "0"});
    return run_vulcap(more);
  }

  std::string expectations(const std::string& text) const {
    write_file(folder_ / "expected.txt", text);
    return (folder_ / "expected.txt").string();
  }

  TempFolder folder_;
};

TEST_F(Conformance, TellsWhatPassedFailedAndWasSkipped) {
  const Outcome outcome = run({"--format", "jsonl", "--jobs", "2"});
  ASSERT_TRUE(exits(outcome, 6));
  std::map<std::string, nlohmann::json> rows;
  for (const std::string& line : lines_of(outcome.out)) {
    const auto row = nlohmann::json::parse(line);
    rows[row.at("test")] = row;
  }
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows["node/test_sum"]["status"], "passed");
  EXPECT_EQ(rows["node/test_sum"]["native"], true);
  EXPECT_EQ(rows["node/test_wrong"]["status"], "failed");
  EXPECT_EQ(rows["node/test_wrong"]["reason"], "output 'z/sum' at 0 is 3, expected 2 (2 of 2 differ)");
  EXPECT_EQ(rows["simple/test_strings"]["reason"], "strings");
  EXPECT_EQ(rows["simple/test_dropout"]["status"], "skipped");
  EXPECT_EQ(rows["simple/test_dropout"]["reason"], "training");
}

TEST_F(Conformance, SummarisesKindsAndReasons) {
  const Outcome outcome = run({"--failures"});
  ASSERT_TRUE(exits(outcome, 6));
  const auto lines = lines_of(outcome.out);
  EXPECT_TRUE(lines.at(0).starts_with("failed  cpu node/test_wrong: output 'z/sum' at 0")) << outcome.out;
  EXPECT_EQ(outcome.out.find("test_sum"), std::string::npos);
  EXPECT_NE(outcome.out.find("failed, by reason:\n      1  output"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("skipped, by reason:\n      1  strings\n      1  training"), std::string::npos)
      << outcome.out;
}

TEST_F(Conformance, FiltersAndTolerates) {
  EXPECT_TRUE(exits(run({"--filter", "test_s*"}), 0));
  EXPECT_TRUE(exits(run({"--filter", "simple/*", "--filter", "test_sum"}), 0));
  EXPECT_TRUE(exits(run({"--rtol", "1"}), 0));
  EXPECT_TRUE(refuses(run({"--filter", "nothing"}), 3, {"no test", "--filter"}));
}

TEST_F(Conformance, KnowsExpectedFailures) {
  EXPECT_TRUE(exits(run({"--expect", expectations("# known\n* node/test_wrong: the data is wrong\n")}), 0));
  EXPECT_TRUE(exits(run({"--expect", expectations("cpu node/test_wrong: the data is wrong\n")}), 0));
  EXPECT_TRUE(exits(run({"--expect", expectations("vulkan node/test_wrong: elsewhere\n")}), 6));
  const Outcome passes =
      run({"--expect", expectations("cpu node/test_wrong: known\ncpu node/test_sum: passes by now\n")});
  EXPECT_TRUE(exits(passes, 6));
  EXPECT_NE(passes.err.find("node/test_sum: is listed as a failure and passed"), std::string::npos)
      << passes.err;
  EXPECT_TRUE(refuses(run({"--expect", expectations("cpu node/test_wrong\n")}), 2, {"line 1", "reason"}));
}

TEST_F(Conformance, WritesExpectationsThatItMeets) {
  const std::string file = (folder_ / "written.txt").string();
  EXPECT_TRUE(exits(run({"--write-expect", file}), 6));
  EXPECT_TRUE(exits(run({"--expect", file}), 0));
}

TEST_F(Conformance, WritesJson) {
  const fs::path file = folder_ / "result.json";
  run({"--json", file.string()});
  const auto rows = nlohmann::json::parse(read_file(file));
  EXPECT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows.at(0).at("device"), "cpu");
}

TEST_F(Conformance, RefusesWhatIsNotThere) {
  EXPECT_TRUE(refuses(run_vulcap({"conformance", "/nonexistent"}), 3, {"/nonexistent"}));
  EXPECT_TRUE(refuses(run_vulcap({"conformance"}), 2, {"folder"}));
  EXPECT_TRUE(refuses(run({"--device", "nonsense"}), 2, {"nonsense"}));
  EXPECT_TRUE(refuses(run({"--timeout", "0"}), 2, {"timeout"}));
}

class ConformanceOnVulkan : public VulkanProgramTest {};

TEST_F(ConformanceOnVulkan, CountsNativeRuns) {
  TempFolder folder;
  write_test(folder / "node/test_sum", sum_model(), {kOnes, kTwos}, {kThrees});
  const Outcome outcome = run_vulcap({"conformance", folder.path().string(), "--device", "cpu,vulkan",
                                      "--format", "jsonl", "--memory", "0"});
  ASSERT_TRUE(exits(outcome, 0));
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2u);
  const auto row = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(row.at("device"), "vulkan");
  EXPECT_EQ(row.at("native"), true);
}

}  // namespace
}  // namespace vulcap::testing
