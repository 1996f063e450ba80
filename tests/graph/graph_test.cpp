#include "runtime/graph/graph.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/graph/text.h"

namespace vulcap::graph {
namespace {

std::vector<std::string> node_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  return names;
}

std::string message_of(void (*call)(Graph&), Graph graph) {
  try {
    call(graph);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    return error.message();
  }
  return "";
}

constexpr auto kCheck = +[](Graph& graph) { check(graph); };
constexpr auto kSort = +[](Graph& graph) { sort_topologically(graph); };

TEST(Attributes, HaveTypesAndFallbacks) {
  Attributes attributes;
  attributes.set("axis", int64_t(-1));
  attributes.set("alpha", 0.5f);
  attributes.set("mode", std::string("fast"));
  attributes.set("perm", std::vector<int64_t>{1, 0});
  EXPECT_TRUE(attributes.has("axis"));
  EXPECT_EQ(attributes.integer("axis", 7), -1);
  EXPECT_EQ(attributes.integer("other", 7), 7);
  EXPECT_EQ(attributes.real("alpha", 1), 0.5f);
  EXPECT_EQ(attributes.text("mode", ""), "fast");
  EXPECT_EQ(attributes.integers("perm"), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(attributes.integers("none", {4}), std::vector<int64_t>{4});
  attributes.set("axis", int64_t(2));
  EXPECT_EQ(attributes.integer("axis", 7), 2);
}

TEST(Attributes, AnotherTypeIsAnError) {
  Attributes attributes;
  attributes.set("axis", std::string("one"));
  try {
    attributes.integer("axis", 0);
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_NE(error.message().find("'axis'"), std::string::npos);
  }
  EXPECT_THROW(attributes.real("axis", 0), core::Error);
  EXPECT_THROW(attributes.integers("axis"), core::Error);
}

TEST(Uses, CountReadersAndOutputs) {
  const Graph graph = parse_text(R"(graph(%x: f32[2]) {
  %a: f32[2] = Relu(%x)
  %b: f32[2] = Add(%a, %a)
  %c: f32[2] = Neg(%b)
  return %c, %b
})");
  const Uses uses(graph);
  EXPECT_EQ(uses.producer[size_t(graph.find_value("b"))], 1);
  EXPECT_EQ(uses.producer[size_t(graph.find_value("x"))], -1);
  EXPECT_TRUE(uses.single_use(graph.find_value("x")));
  EXPECT_FALSE(uses.single_use(graph.find_value("a")));
  EXPECT_FALSE(uses.single_use(graph.find_value("b"))) << "an output is a use as well";
  EXPECT_FALSE(uses.single_use(graph.find_value("c"))) << "nobody reads it";
}

TEST(RemoveDeadNodes, KeepsWhatOutputsNeed) {
  Graph graph = parse_text(R"(graph(%x: f32[2]) {
  %a: f32[2] = Relu(%x)
  %dead1: f32[2] = Neg(%a)
  %dead2: f32[2] = Neg(%dead1)
  %b, %c = Split(%a)
  %d: f32[2] = Neg(%c)
  return %d
})");
  remove_dead_nodes(graph);
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"a", "b", "d"}));
  EXPECT_NE(graph.find_value("dead1"), kNoValue) << "values keep their ids";
  remove_dead_nodes(graph);
  EXPECT_EQ(graph.nodes.size(), 3u);
}

TEST(SortTopologically, PutsProducersFirst) {
  Graph graph = parse_text(R"(graph(%x: f32[2]) {
  %a: f32[2] = Relu(%x)
  %b: f32[2] = Neg(%a)
  %c: f32[2] = Add(%a, %b)
  %d: f32[2] = Mul(%c, %a)
  return %d
})");
  std::sort(graph.nodes.begin(), graph.nodes.end(),
            [](const Node& l, const Node& r) { return l.name > r.name; });
  sort_topologically(graph);
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST(SortTopologically, ComputesLate) {
  Graph graph = parse_text(R"(graph(%x: f32[2]) {
  %late: f32[2] = Neg(%x)
  %a: f32[2] = Relu(%x)
  %b: f32[2] = Relu(%a)
  %c: f32[2] = Relu(%b)
  %y: f32[2] = Add(%c, %late)
  return %y
})");
  sort_topologically(graph);
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"a", "b", "c", "late", "y"}));
}

TEST(SortTopologically, ALongChainNeedsNoStack) {
  Graph graph;
  Value input;
  input.name = "x";
  ValueId last = graph.add_value(input);
  graph.inputs = {last};
  for (int i = 0; i < 200000; ++i) {
    const ValueId next = graph.add_value({});
    graph.nodes.push_back({"Relu", "", "n", {last}, {next}, {}});
    last = next;
  }
  graph.outputs = {last};
  std::reverse(graph.nodes.begin(), graph.nodes.end());
  sort_topologically(graph);
  EXPECT_EQ(graph.nodes.front().inputs[0], graph.inputs[0]);
  EXPECT_EQ(graph.nodes.back().outputs[0], last);
}

Graph cyclic() {
  Graph graph = parse_text(R"(graph(%x: f32[2]) {
  %a: f32[2] = Add(%x, %x)
  %b: f32[2] = Relu(%a)
  return %b
})");
  graph.nodes[0].inputs[1] = graph.find_value("b");
  return graph;
}

TEST(SortTopologically, ACycleIsAnError) {
  EXPECT_NE(message_of(kSort, cyclic()).find("cycle"), std::string::npos);
  Graph self = parse_text("graph(%x: f32[2]) {\n  %a: f32[2] = Add(%x, %x)\n  return %a\n}");
  self.nodes[0].inputs[0] = self.nodes[0].outputs[0];
  EXPECT_NE(message_of(kSort, self).find("cycle"), std::string::npos);
}

TEST(Check, AcceptsSoundGraphs) {
  const Graph graph = parse_text(
      "graph(%x: f32[2]) {\n  const %w: f32[2] = {1}\n  %y: f32[2] = Op(%x, _, %w)\n  return %y, %x\n}");
  EXPECT_NO_THROW(check(graph));
}

TEST(Check, NamesAValueThatNothingProduces) {
  Graph graph = parse_text("graph(%x: f32[2]) {\n  %y: f32[2] = Op(%x)\n  return %y\n}");
  Value lost;
  lost.name = "lost";
  graph.nodes[0].inputs.push_back(graph.add_value(lost));
  const std::string message = message_of(kCheck, graph);
  EXPECT_NE(message.find("'lost'"), std::string::npos) << message;
  EXPECT_NE(message.find("node 'y' (Op)"), std::string::npos) << message;
  Graph output = parse_text("graph(%x: f32[2]) {\n  %y: f32[2] = Op(%x)\n  return %y\n}");
  output.nodes.clear();
  EXPECT_NE(message_of(kCheck, output).find("'y'"), std::string::npos);
}

TEST(Check, NamesAValueThatIsProducedTwice) {
  Graph graph =
      parse_text("graph(%x: f32[2]) {\n  %y: f32[2] = Op(%x)\n  %z: f32[2] = Op(%y)\n  return %z\n}");
  graph.nodes[1].outputs.push_back(graph.find_value("y"));
  EXPECT_NE(message_of(kCheck, graph).find("'y' that is produced twice"), std::string::npos);
  Graph input =
      parse_text("graph(%x: f32[2]) {\n  %y: f32[2] = Op(%x)\n  %z: f32[2] = Op(%x)\n  return %z\n}");
  input.nodes[0].outputs[0] = input.inputs[0];
  EXPECT_NE(message_of(kCheck, input).find("'x'"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::graph
