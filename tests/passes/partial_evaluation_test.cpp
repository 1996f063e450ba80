// Graphs whose sizes stay open: what folds, what must not, and which shapes are known.
#include "runtime/passes/partial_evaluation.h"

#include <gtest/gtest.h>

#include <string>

#include "runtime/graph/text.h"
#include "runtime/passes/open_shapes.h"
#include "runtime/passes/share_branches.h"

namespace vulcap::passes {
namespace {

graph::Graph evaluated(const std::string& text) {
  graph::Graph graph = evaluate_partly(graph::parse_text(text));
  reveal(graph);
  return graph;
}

std::string operators(const graph::Graph& graph) {
  std::string text;
  for (const graph::Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op;
  return text;
}

std::string shape_of(const graph::Graph& graph, graph::ValueId id) {
  return graph.value(id).shape ? core::shape_text(*graph.value(id).shape) : "?";
}

TEST(PartialEvaluation, HeadsAreSplitByACopyOfTheSizes) {
  const auto graph = evaluated(R"(graph(%x: f32[batch,length,8]) {
    const %from: i64[1] = {0}
    const %to: i64[1] = {2}
    const %heads: i64[2] = {2, 4}
    %shape = Shape(%x)
    %front = Slice(%shape, %from, %to)
    %target = Concat(%front, %heads) {axis=0}
    %y = Reshape(%x, %target)
    return %y
  })");
  EXPECT_EQ(operators(graph), "View");
  EXPECT_EQ(shape_of(graph, graph.outputs[0]), "[batch,length,2,4]");
}

TEST(PartialEvaluation, ConstantsFoldAndEqualNodesBecomeOne) {
  const auto graph = evaluated(R"(graph(%x: f32[batch,4]) {
    const %a: f32[4] = {2}
    const %b: f32[4] = {3}
    %c = Mul(%a, %b)
    %d = Add(%x, %c)
    %e = Add(%x, %c)
    %y = Mul(%d, %e)
    return %y
  })");
  EXPECT_EQ(operators(graph), "Add Mul");
  EXPECT_EQ(graph.nodes[1].inputs[0], graph.nodes[1].inputs[1]);
}

TEST(PartialEvaluation, SizesThatAreKnownToBeEqualAreAskedOnce) {
  const auto graph = evaluated(R"(graph(%x: f32[batch,length,4], %m: i64[batch,length]) {
    const %one: i64[] = {1}
    const %zero: i64[1] = {0}
    %sx = Shape(%x)
    %sm = Shape(%m)
    %lx = Gather(%sx, %one)
    %lm = Gather(%sm, %one)
    %ax = Unsqueeze(%lx, %zero)
    %am = Unsqueeze(%lm, %zero)
    %y = Concat(%ax, %am) {axis=0}
    return %y
  })");
  EXPECT_EQ(operators(graph), "Shape Gather Unsqueeze Concat");
}

TEST(PartialEvaluation, AWeightThatOthersReadIsNotCopied) {
  const auto transposed = [](const std::string& other) {
    return operators(
        evaluated("graph(%i: i64[n], %h: f32[n,64]) {\n const %w: f32[1024,64] = ?\n"
                  " %t = Transpose(%w) {perm=[1,0]}\n %y = MatMul(%h, %t)\n" +
                  other + "}"));
  };
  EXPECT_EQ(transposed(" return %y\n"), "MatMul");
  EXPECT_EQ(transposed(" %z = Gather(%w, %i)\n return %y, %z\n"), "Transpose MatMul Gather");
}

TEST(PartialEvaluation, AConvolutionOverOpenSizesHasAShape) {
  const auto graph = evaluated(R"(graph(%x: f32[batch,3,height,width]) {
    const %w: f32[8,3,16,16] = {1}
    const %p: f32[1,4,8] = {1}
    const %to: i64[3] = {0, 8, -1}
    %c = Conv(%x, %w) {kernel_shape=[16,16], strides=[16,16]}
    %r = Reshape(%c, %to)
    %t = Transpose(%r) {perm=[0,2,1]}
    %y = Add(%t, %p)
    return %y
  })");
  EXPECT_EQ(shape_of(graph, graph.outputs[0]), "[batch,4,8]");
}

TEST(PartialEvaluation, ASliceThatMayCutStaysWhatItIs) {
  // More than 8 positions are cut off; that there are no more must not be concluded.
  auto graph = evaluate_partly(graph::parse_text(R"(graph(%x: f32[batch,length,4]) {
    const %from: i64[1] = {0}
    const %to: i64[1] = {8}
    const %axis: i64[1] = {1}
    %y = Slice(%x, %from, %to, %axis)
    return %y
  })"));
  run_passes_with_branches(graph, {{"simplify", simplify}});
  EXPECT_EQ(operators(graph), "Slice");
  EXPECT_EQ(shape_of(graph, graph.outputs[0]).substr(0, 7), "[batch,");
  EXPECT_EQ(shape_of(graph, graph.outputs[0]).find("length"), std::string::npos);
}

TEST(ReshapeTarget, StatesSizesByCopyAndRemainder) {
  const auto target = [](const std::string& from, const std::string& to) -> std::string {
    const auto parse = [](const std::string& text) {
      return *graph::parse_text("graph(%x: f32[" + text + "]) { return %x }").values[0].shape;
    };
    const auto result = reshape_target(parse(from), parse(to));
    if (!result) return "none";
    std::string text;
    for (const int64_t size : *result) text += (text.empty() ? "" : ",") + std::to_string(size);
    return text;
  };
  EXPECT_EQ(target("batch,length,8", "batch,length,2,4"), "0,0,2,4");
  EXPECT_EQ(target("batch,length,8", "batch*length,8"), "-1,8");
  EXPECT_EQ(target("batch,length,8", "batch,8*length"), "0,-1");
  EXPECT_EQ(target("batch,length,8", "8*batch,length"), "none");
  // The copied cache may be empty, and what remains is then not defined.
  EXPECT_EQ(target("batch,past,8,heads", "batch,past,8*heads"), "none");
  EXPECT_EQ(target("batch,4", "batch,0,4"), "none");
}

TEST(OpenShapes, NewSymbolsDiffer) {
  EXPECT_FALSE(new_symbol() == new_symbol());
  EXPECT_EQ(either_dim(core::Dim(3), core::Dim(3)), core::Dim(3));
  EXPECT_FALSE(either_dim(core::Dim(3), core::Dim(4)).is_constant());
}

// if (c) { a = x + 1; y = a * 2 } else { b = x + 1; y = b * 3 }
TEST(ShareBranches, WhatBothComputeStandsInFront) {
  const auto branch = [](double factor) {
    graph::Graph graph = graph::parse_text(
        "graph(%x: f32[n]) {\n const %one: f32[] = {1}\n const %f: f32[] = {" + std::to_string(factor) +
        "}\n %a = Add(%x, %one)\n %y = Mul(%a, %f)\n return %y\n}");
    graph.captures.emplace_back(graph.inputs[0], 1);
    graph.inputs.clear();
    return std::make_shared<const graph::Graph>(std::move(graph));
  };
  graph::Graph graph = graph::parse_text("graph(%c: bool[1], %x: f32[n]) {\n %y = If(%c, %x)\n return %y\n}");
  graph.nodes[0].attributes.set("then_branch", branch(2));
  graph.nodes[0].attributes.set("else_branch", branch(3));
  EXPECT_EQ(share_branches(graph), 1);
  EXPECT_EQ(operators(graph), "Add If");
  const graph::Node& chooses = graph.nodes[1];
  for (const char* name : {"then_branch", "else_branch"}) {
    const auto& sub = *std::get<std::shared_ptr<const graph::Graph>>(*chooses.attributes.find(name));
    EXPECT_EQ(operators(sub), "Mul");
    EXPECT_EQ(chooses.inputs.at(sub.captures.back().second), graph.nodes[0].outputs[0]);
  }
}

}  // namespace
}  // namespace vulcap::passes
