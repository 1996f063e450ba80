// vulcap diff: what differs of two models, and from which node on.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::testing {
namespace {

namespace builder = onnx_test;
using nlohmann::json;
using ::onnx::ModelProto;
using ::onnx::TensorProto;

// x -> Mul w -> m -> Relu -> r -> Add b -> y
ModelProto chain() {
  ModelProto model = builder::empty_model();
  ::onnx::GraphProto& graph = *model.mutable_graph();
  builder::set_value(graph.add_input(), "x", TensorProto::FLOAT, {2, 3});
  builder::set_value(graph.add_output(), "y", TensorProto::FLOAT, {2, 3});
  for (const char* name : {"w", "b"}) {
    TensorProto* tensor = builder::add_tensor(&graph, name, TensorProto::FLOAT, {3});
    for (const float value : {1.f, 2.f, 3.f}) tensor->add_float_data(value);
  }
  builder::add_node(&graph, "Mul", {"x", "w"}, {"m"});
  builder::add_node(&graph, "Relu", {"m"}, {"r"})->set_name("the_relu");
  builder::add_node(&graph, "Add", {"r", "b"}, {"y"});
  return model;
}

class Diff : public ::testing::Test {
 protected:
  Outcome run(const std::function<void(::onnx::GraphProto&)>& change, const Arguments& more = {}) {
    ModelProto a = chain(), b = chain();
    change(*b.mutable_graph());
    write_file(folder_ / "a.onnx", a.SerializeAsString());
    write_file(folder_ / "b.onnx", b.SerializeAsString());
    Arguments arguments{"diff", (folder_ / "a.onnx").string(), (folder_ / "b.onnx").string(), "--device",
                        "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_vulcap(arguments);
  }

  json report(const std::function<void(::onnx::GraphProto&)>& change, int code, const Arguments& more = {}) {
    Arguments arguments{"--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(change, arguments);
    EXPECT_TRUE(exits(outcome, code)) << outcome.out;
    return json::parse(outcome.out).at("files").at(0);
  }

  TempFolder folder_;
};

TEST_F(Diff, SaysThatNothingDiffers) {
  const Outcome outcome = run([](auto&) {});
  EXPECT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("same structure and weights"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("agrees: max abs 0"), std::string::npos) << outcome.out;
}

TEST_F(Diff, FindsTheFirstNodeThatDiverges) {
  const json item = report([](auto& graph) { graph.mutable_node(1)->set_op_type("Abs"); }, 6);
  EXPECT_EQ(item.at("structure").at("operators").at("Abs"), json({{"a", 0}, {"b", 1}}));
  EXPECT_EQ(item.at("structure").at("nodes_changed").at(0), "\"the_relu\" (Relu): becomes Abs");
  const json& first = item.at("answers").at("first_divergence");
  EXPECT_EQ(first.at("value"), "r");
  EXPECT_EQ(first.at("node"), json({{"a", "the_relu (Relu)"}, {"b", "the_relu (Abs)"}}));
  EXPECT_FALSE(item.at("answers").at("outputs").at("y").at("agrees"));
}

TEST_F(Diff, NamesWeightsThatChanged) {
  const auto change = [](auto& graph) { graph.mutable_initializer(1)->set_float_data(2, 3.5f); };
  const json item = report(change, 6);
  EXPECT_EQ(item.at("structure").at("weights_equal"), 1);
  EXPECT_EQ(item.at("structure").at("weights_changed").at("b").at("max_abs"), 0.5);
  EXPECT_EQ(item.at("answers").at("first_divergence").at("value"), "y");
  // Within a wider tolerance the answers agree, whatever the files hold.
  report(change, 0, {"--tolerance", "0.5"});
  report(change, 6, {"--structure-only"});
}

TEST_F(Diff, AgreesWhereTheStructureDiffersAlone) {
  const auto rename = [](auto& graph) {
    graph.mutable_node(0)->set_output(0, "renamed");
    graph.mutable_node(1)->set_input(0, "renamed");
  };
  const json item = report(rename, 0);
  EXPECT_EQ(item.at("structure").at("same"), false);
  EXPECT_EQ(item.at("structure").at("nodes_only_a").size(), 1u);
}

TEST_F(Diff, SaysWhyAnswersCannotBeCompared) {
  const auto rename = [](auto& graph) {
    graph.mutable_input(0)->set_name("other");
    graph.mutable_node(0)->set_input(0, "other");
  };
  const std::string problem = report(rename, 6).at("answers").at("problem");
  EXPECT_NE(problem.find("input 'other' (f32[2,3]) has no value"), std::string::npos) << problem;
}

TEST_F(Diff, RefusesInOneLine) {
  const std::string model = (kTinyModel / "encoder_model.onnx").string();
  EXPECT_TRUE(refuses(run_vulcap({"diff", model, kTinyModel.string()}), 2, {"two files or two folders"}));
  EXPECT_TRUE(refuses(run_vulcap({"diff", model, (folder_ / "none.onnx").string()}), 3, {"none.onnx"}));
  EXPECT_TRUE(refuses(run_vulcap({"diff", model, model, "--inputs", "z=z.npy"}), 2, {"z"}));
  EXPECT_TRUE(refuses(run_vulcap({"diff", folder_.path().string(), kTinyModel.string()}), 3,
                      {"no .onnx file of the same name"}));
}

TEST(DiffFolders, ComparesFilesOfTheSameName) {
  const std::string tiny = kTinyModel.string();
  const Outcome outcome = run_vulcap({"diff", tiny, tiny, "--device", "cpu"});
  EXPECT_TRUE(exits(outcome, 0)) << outcome.out;
  TempFolder folder;
  copy_tiny_model(folder.path());
  const Outcome fewer = run_vulcap({"diff", tiny, folder.path().string(), "--structure-only"});
  EXPECT_TRUE(exits(fewer, 6));
  EXPECT_NE(fewer.out.find("decoder_with_past_model.onnx: only in A"), std::string::npos) << fewer.out;
}

}  // namespace
}  // namespace vulcap::testing
