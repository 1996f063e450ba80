// vulcap run: inputs by name, position and seed, outputs as files, and errors that say what is missing.
#include <gtest/gtest.h>

#include "loader/npy.h"
#include "loader/onnx/model.h"
#include "tests/apps/onnx_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    write_model(folder_ / "sum.onnx", sum_model());
    loader::write_npy(folder_ / "x.npy", floats({2, 2}, {1, 2, 3, 4}));
    loader::write_npy(folder_ / "y.npy", floats({2, 2}, {10, 20, 30, 40}));
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  Outcome run(Arguments more) const {
    more.insert(more.begin(), {"run", path("sum.onnx"), "--device", "cpu"});
    return run_vulcap(more);
  }

  TempFolder folder_;
};

TEST_F(Run, PrintsOneLineAnOutput) {
  const Outcome outcome = run({"--inputs", "x=" + path("x.npy"), "y=" + path("y.npy")});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, "z/sum f32[2,2] min 11 max 44 mean 27.5\n");
}

TEST_F(Run, TakesAFolderAndWritesFiles) {
  const Outcome outcome = run({"--inputs", folder_.path().string(), "--outputs", path("out")});
  ASSERT_TRUE(exits(outcome, 0));
  const core::Tensor sum = loader::read_npy(folder_ / "out/z_sum.npy");
  EXPECT_EQ(sum.shape(), (core::Shape{2, 2}));
  EXPECT_EQ(sum.at_f64(3), 44);
}

TEST_F(Run, ReadsAndWritesTensorProtos) {
  fs::create_directories(folder_ / "set");
  onnx::write_tensor_file(folder_ / "set/input_0.pb", "", floats({2, 1}, {1, 2}));
  onnx::write_tensor_file(folder_ / "set/input_1.pb", "", floats({2, 1}, {5, 5}));
  const Outcome outcome = run({"--inputs", path("set"), "--outputs", path("out"), "--format", "pb"});
  ASSERT_TRUE(exits(outcome, 0));
  const auto item = onnx::read_tensor_file(folder_ / "out/z_sum.pb");
  EXPECT_EQ(item.name, "z/sum");
  EXPECT_EQ(item.tensor.at_f64(1), 7);
}

TEST_F(Run, DrawsWhatIsNotGiven) {
  const Outcome outcome = run({"--seed", "3", "--dim", "n=5"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_TRUE(outcome.out.starts_with("z/sum f32[2,5] min ")) << outcome.out;
  EXPECT_EQ(run({"--seed", "3", "--dim", "n=5"}).out, outcome.out);
  EXPECT_TRUE(refuses(run({"--seed", "3"}), 2, {"'x'", "--dim"}));
}

TEST_F(Run, SaysWhatIsMissing) {
  EXPECT_TRUE(refuses(run({}), 2, {"'x' (f32[2,n])", "'y'"}));
  EXPECT_TRUE(refuses(run({"--inputs", "x=" + path("x.npy")}), 2, {"'y' (f32[2,n])"}));
  EXPECT_TRUE(refuses(run({"--inputs", "w=" + path("x.npy")}), 2, {"'w'", "'x', 'y'"}));
  EXPECT_TRUE(refuses(run({"--inputs", "x=" + path("none.npy")}), 3, {"none.npy"}));
  EXPECT_TRUE(refuses(run({"--inputs", "x=" + path("sum.onnx")}), 3, {".npy", ".pb"}));
  EXPECT_TRUE(refuses(run({"--inputs", path("nowhere")}), 2, {"nowhere"}));
  EXPECT_TRUE(refuses(run_vulcap({"run", path("none.onnx")}), 3, {"none.onnx"}));
}

TEST_F(Run, RefusesInputsThatDoNotFit) {
  loader::write_npy(folder_ / "x.npy", core::Tensor(core::DType::kI64, {2, 2}));
  EXPECT_TRUE(refuses(run({"--inputs", folder_.path().string()}), 3, {"'x'", "f32", "i64"}));
}

TEST_F(Run, RefusesTwoOutputsForOneFile) {
  ::onnx::ModelProto model = sum_model();
  onnx_test::set_value(model.mutable_graph()->add_output(), "z:sum", ::onnx::TensorProto::FLOAT, {2, -1});
  onnx_test::add_node(model.mutable_graph(), "Mul", {"x", "y"}, {"z:sum"});
  write_model(folder_ / "sum.onnx", model);
  const Outcome outcome = run({"--inputs", folder_.path().string(), "--outputs", path("out")});
  EXPECT_TRUE(exits(outcome, 1));
  EXPECT_EQ(error_lines(outcome).size(), 1u);
  EXPECT_NE(outcome.err.find("z_sum.npy"), std::string::npos) << outcome.err;
}

::onnx::ModelProto logarithm_model() {
  namespace builder = onnx_test;
  ::onnx::ModelProto model = builder::empty_model();
  auto* graph = model.mutable_graph();
  builder::set_value(graph->add_input(), "x", ::onnx::TensorProto::FLOAT, {2, 2});
  builder::set_value(graph->add_output(), "z", ::onnx::TensorProto::FLOAT, {2, 2});
  builder::add_node(graph, "Neg", {"x"}, {"y"});
  builder::add_node(graph, "Sqrt", {"y"}, {"bad"})->set_name("the_root");
  builder::add_node(graph, "Sin", {"bad"}, {"z"});
  return model;
}

TEST_F(Run, FindsTheFirstNaN) {
  write_model(folder_ / "sum.onnx", logarithm_model());
  EXPECT_TRUE(exits(run({"--inputs", folder_.path().string()}), 0));
  const Outcome outcome = run({"--inputs", folder_.path().string(), "--check-finite"});
  EXPECT_TRUE(exits(outcome, 1));
  for (const char* part : {"'bad'", "the_root", "unary", "NaN"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

class RunOnVulkan : public VulkanProgramTest {};

TEST_F(RunOnVulkan, FindsTheFirstNaNThere) {
  TempFolder folder;
  write_model(folder / "m.onnx", logarithm_model());
  loader::write_npy(folder / "x.npy", floats({2, 2}, {-1, -2, 3, -4}));
  const Outcome outcome = run_vulcap({"run", (folder / "m.onnx").string(), "--device", "vulkan",
                                      "--check-finite", "--inputs", folder.path().string()});
  EXPECT_TRUE(exits(outcome, 1));
  EXPECT_NE(outcome.err.find("'bad'"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace vulcap::testing
