// Every row of the operator table against the answers of ONNX Runtime, once with its inputs given at run time
// (the CPU kernels) and once with all of them constant (folding, shape facts and the scalar references).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/ops/op_registry.h"
#include "runtime/session/session.h"
#include "tests/ops/rows.h"
#include "tests/session/tensors.h"

namespace vulcap::test {
namespace {

struct Case {
  graph::Graph graph;
  session::NamedTensors given;
  session::NamedTensors expected;
};

Case load_case(const OpRow& row) {
  Case result;
  result.graph = onnx::load_graph(std::string(VULCAP_TEST_DATA) + "/ops/" + row.name + ".onnx");
  for (const graph::Value& value : result.graph.values) {
    if (value.name.starts_with("given/")) result.given[value.name.substr(6)] = *value.constant;
    if (value.name.starts_with("expected/")) result.expected[value.name.substr(9)] = *value.constant;
  }
  return result;
}

graph::Graph with_constant_inputs(const Case& c) {
  graph::Graph graph = c.graph;
  for (graph::ValueId in : graph.inputs) graph.value(in).constant = c.given.at(graph.value(in).name);
  graph.inputs.clear();
  return graph;
}

void expect_outputs(const session::NamedTensors& got, const Case& c, const std::string& how) {
  ASSERT_EQ(got.size(), c.expected.size());
  for (const auto& [name, want] : c.expected) {
    const bool half = want.dtype() == core::DType::kF16;
    expect_same(got.at(name), want, half ? Tolerance{2e-3, 1e-3} : Tolerance{}, how + ", output " + name);
  }
}

class Operator : public testing::TestWithParam<OpRow> {};

TEST_P(Operator, RunsLikeOnnxRuntime) {
  const Case c = load_case(GetParam());
  ASSERT_FALSE(c.expected.empty());
  session::Session session(cpu_device(), c.graph);
  expect_outputs(session.run(c.given), c, "inputs at run time");
}

TEST_P(Operator, FoldsLikeOnnxRuntime) {
  const Case c = load_case(GetParam());
  ASSERT_FALSE(c.expected.empty());
  session::Session session(cpu_device(), with_constant_inputs(c));
  expect_outputs(session.run({}), c, "constant inputs");
}

class RefusedOperator : public testing::TestWithParam<OpRow> {};

void expect_refusal(const OpRow& row, bool constant_inputs) {
  std::string message;
  try {
    const Case c = load_case(row);
    session::Session session(cpu_device(), constant_inputs ? with_constant_inputs(c) : c.graph);
    session.run(constant_inputs ? session::NamedTensors{} : c.given);
  } catch (const core::Error& error) {
    message = error.message();
  }
  EXPECT_FALSE(message.empty()) << "nothing was thrown";
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST_P(RefusedOperator, AtRunTime) { expect_refusal(GetParam(), false); }
TEST_P(RefusedOperator, Folded) { expect_refusal(GetParam(), true); }

std::vector<OpRow> rows(bool refused) {
  auto all = read_op_rows();
  std::erase_if(all, [&](const OpRow& row) { return row.refused != refused; });
  return all;
}

std::string test_name(const testing::TestParamInfo<OpRow>& info) {
  std::string name = info.param.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Table, Operator, testing::ValuesIn(rows(false)), test_name);
INSTANTIATE_TEST_SUITE_P(Table, RefusedOperator, testing::ValuesIn(rows(true)), test_name);

TEST(OperatorTable, CoversTheRegistry) {
  std::set<std::string> covered;
  for (const OpRow& row : rows(false)) covered.insert(row.op);
  covered.insert("CausalConvWithState");  // only the node tests of ONNX have cases of it
  for (const auto& [key, def] : ops::op_registry().all()) {
    if (!def.domain.empty()) continue;
    EXPECT_TRUE(covered.count(def.op)) << "no row for " << def.op;
  }
}

TEST(OperatorTable, KnowsEveryRow) {
  EXPECT_GT(rows(false).size(), 250u);
  EXPECT_GT(rows(true).size(), 50u);
}

}  // namespace
}  // namespace vulcap::test
