// Graphs whose sizes, branches and loops depend on data, against ONNX Runtime's answers, on two sets of
// values so that a program made for one is not taken for the other.
#include <gtest/gtest.h>

#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/session/session.h"
#include "tests/session/tensors.h"

namespace vulcap::session {
namespace {

struct Case {
  graph::Graph graph;
  NamedTensors given;
  NamedTensors expected;
};

Case load_case(const std::string& name) {
  Case result;
  result.graph = onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/stages/" + name + ".onnx");
  for (const graph::Value& value : result.graph.values) {
    if (value.name.starts_with("given/")) result.given[value.name.substr(6)] = *value.constant;
    if (value.name.starts_with("expected/")) result.expected[value.name.substr(9)] = *value.constant;
  }
  return result;
}

void expect_outputs(Session& session, const Case& c, const std::string& what) {
  const NamedTensors outputs = session.run(c.given);
  ASSERT_FALSE(c.expected.empty());
  for (const auto& [name, want] : c.expected)
    test::expect_same(outputs.at(name), want, {}, what + " " + name);
}

class Stages : public testing::TestWithParam<const char*> {};

TEST_P(Stages, AnswerLikeOnnxRuntime) {
  const Case c = load_case(GetParam());
  Session session(test::cpu_device(), c.graph);
  expect_outputs(session, c, "first run");
  expect_outputs(session, c, "second run");
}

INSTANTIATE_TEST_SUITE_P(Golden, Stages,
                         testing::Values("reshape_by_input", "size_from_data", "branch_on_data", "loop_until",
                                         "loop_trips", "loop_none", "scan", "sequences"));

TEST(Stages, ValuesDecideAgainInEveryRun) {
  const Case c = load_case("size_from_data");
  Session session(test::cpu_device(), c.graph);
  for (int64_t positive : {0, 3, 5, 3}) {
    core::Tensor x(core::DType::kF32, {3, 5});
    for (size_t i = 0; i < x.size(); ++i) x.mutable_as<float>()[i] = int64_t(i) < positive ? 1.0f : -1.0f;
    EXPECT_EQ(session.run({{"x", x}}).at("y").shape(), (core::Shape{positive}));
  }
}

TEST(Stages, ABranchFollowsItsCondition) {
  const Case c = load_case("branch_on_data");
  Session session(test::cpu_device(), c.graph);
  for (float value : {2.0f, -2.0f, 2.0f}) {
    const core::Tensor x =
        core::Tensor::from<float>(core::DType::kF32, {3, 5}, std::vector<float>(15, value));
    EXPECT_FLOAT_EQ(session.run({{"x", x}}).at("y").as<float>()[0], value > 0 ? value + 1 : value - 1);
  }
}

TEST(Stages, AreListedForReports) {
  const Case c = load_case("loop_trips");
  Session session(test::cpu_device(), c.graph);
  session.run(c.given);
  EXPECT_GE(session.plans().size(), 3u) << "before the loop, its body, behind it";
}

}  // namespace
}  // namespace vulcap::session
