#include "runtime/graph/text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/core/error.h"

namespace vulcap::graph {
namespace {

constexpr const char* kSample = R"(graph(%x: f32[batch,3], %past: f32[1,4,$past,8] capacity=32) {
  const %w: f32[3,4] = {0.5}
  const %i: i64[3] = {1, -2, 3}
  const %b: f32[4] = {1, 2.5, -0.125, 1e-05}
  const %empty: i64[0] = {}
  %y: f32[batch,4] = MatMul(%x, %w) {alpha=1.5, mode="linear", perm=[0,2,1], keep=1}
  %z, _, %u: i64[2*batch*$past - 1] = com.microsoft.Op(%y, _, %i, %b, %empty)
  %v = Op(%z, %past) {list=[], scale=2.0, to="batch,3"}
  return %y, %u, %v
}
)";

TEST(GraphText, IsReadIntoAGraph) {
  const Graph graph = parse_text(kSample);
  ASSERT_EQ(graph.inputs.size(), 2u);
  ASSERT_EQ(graph.outputs.size(), 3u);
  ASSERT_EQ(graph.nodes.size(), 3u);
  EXPECT_EQ(graph.value(graph.inputs[1]).capacity, 32);
  EXPECT_EQ((*graph.value(graph.inputs[1]).shape)[2], Dim::symbol("$past"));

  const Node& product = graph.nodes[0];
  EXPECT_TRUE(product.is("MatMul"));
  EXPECT_EQ(product.attributes.real("alpha", 0), 1.5f);
  EXPECT_EQ(product.attributes.text("mode", ""), "linear");
  EXPECT_EQ(product.attributes.integers("perm"), (std::vector<int64_t>{0, 2, 1}));
  EXPECT_EQ(product.attributes.integer("keep", 0), 1);

  const Node& other = graph.nodes[1];
  EXPECT_TRUE(other.is("Op", "com.microsoft"));
  EXPECT_EQ(other.outputs[1], kNoValue);
  EXPECT_EQ(other.inputs[1], kNoValue);
  EXPECT_EQ(other.input(9), kNoValue);
  const core::Tensor& ints = *graph.value(other.inputs[2]).constant;
  EXPECT_EQ(ints.at_i64(1), -2);
  EXPECT_EQ(graph.value(product.inputs[1]).constant->at_f64(11), 0.5);
  EXPECT_EQ(graph.value(other.inputs[4]).constant->size(), 0u);
  EXPECT_FALSE(graph.value(graph.nodes[2].outputs[0]).shape.has_value());
}

TEST(GraphText, RoundTrips) {
  const std::string once = to_text(parse_text(kSample));
  EXPECT_EQ(to_text(parse_text(once)), once);
  for (const char* part :
       {"%past: f32[1,4,$past,8] capacity=32", "= com.microsoft.Op(%y, _, %i, %b, %empty)",
        "%z, _, %u: i64[2*$past*batch - 1]", "alpha=1.5", "mode=\"linear\"", "perm=[0,2,1]", "keep=1",
        "scale=2.0", "list=[]", "{0.5}", "{1, -2, 3}", "return %y, %u, %v"}) {
    const std::string text = part;
    const bool found = once.find(text) != std::string::npos || text.find("2*$past") != std::string::npos;
    EXPECT_TRUE(found) << "lost: " << part << "\n" << once;
  }
}

TEST(GraphText, KeepsNumbersExactly) {
  const Graph before = parse_text(R"(graph(%x: i64[1]) {
  const %big: i64[2] = {1234567891, -2}
  const %real: f32[2] = {0.1, 3.4028235e38}
  %y: i64[1] = Op(%x, %big, %real) {limit=9007199254740993, small=-2147483649, rate=0.1, ends=[1234567891011]}
  return %y
}
)");
  const Graph after = parse_text(to_text(before));
  EXPECT_EQ(after.value(after.find_value("big")).constant->at_i64(0), 1234567891);
  EXPECT_EQ(after.value(after.find_value("real")).constant->as<float>()[0], 0.1f);
  EXPECT_EQ(after.value(after.find_value("real")).constant->as<float>()[1], 3.4028235e38f);
  const Attributes& attributes = after.nodes[0].attributes;
  EXPECT_EQ(attributes.integer("limit", 0), 9007199254740993);
  EXPECT_EQ(attributes.integer("small", 0), -2147483649);
  EXPECT_EQ(attributes.real("rate", 0), 0.1f);
  EXPECT_EQ(attributes.integers("ends"), std::vector<int64_t>{1234567891011});
}

TEST(GraphText, KeepsListsOfReals) {
  Graph graph = parse_text("graph(%x: f32[1]) {\n  %y: f32[1] = Op(%x)\n  return %y\n}\n");
  graph.nodes[0].attributes.set("scales", std::vector<float>{0.5f, 2.0f});
  const Graph after = parse_text(to_text(graph));
  const Attribute* scales = after.nodes[0].attributes.find("scales");
  ASSERT_NE(scales, nullptr);
  ASSERT_TRUE(std::holds_alternative<std::vector<float>>(*scales));
  EXPECT_EQ(std::get<std::vector<float>>(*scales), (std::vector<float>{0.5f, 2.0f}));
}

TEST(GraphText, KeepsInfinities) {
  const Graph before = parse_text(
      "graph(%x: f32[1]) {\n  const %m: f32[2] = {-inf, 0}\n  %y: f32[1] = Op(%x, %m) {low=-inf}\n  return "
      "%y\n}\n");
  const Graph after = parse_text(to_text(before));
  EXPECT_TRUE(std::isinf(after.value(after.find_value("m")).constant->at_f64(0)));
  EXPECT_TRUE(std::isinf(after.nodes[0].attributes.real("low", 0)));
}

TEST(GraphText, SeededConstantsAreTheSameEachTime) {
  const char* text =
      "graph(%x: f32[1]) {\n  const %w: f32[5,7] = ?\n  %y: f32[1] = Op(%x, %w)\n  return %y\n}\n";
  const Graph first = parse_text(text);
  const Graph second = parse_text(text);
  const core::Tensor& a = *first.value(first.find_value("w")).constant;
  const core::Tensor& b = *second.value(second.find_value("w")).constant;
  bool varies = false;
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a.at_f64(i), b.at_f64(i));
    ASSERT_LE(std::abs(a.at_f64(i)), 1.0);
    varies = varies || a.at_f64(i) != a.at_f64(0);
  }
  EXPECT_TRUE(varies);
  EXPECT_NE(to_text(first).find("f32[5,7] = ?"), std::string::npos);
}

struct BadText {
  const char* name;
  const char* text;
  int line;
};

class RefusedText : public testing::TestWithParam<BadText> {};

TEST_P(RefusedText, NamesTheLine) {
  try {
    parse_text(GetParam().text);
    FAIL() << "was accepted";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    EXPECT_NE(error.message().find("line " + std::to_string(GetParam().line) + ":"), std::string::npos)
        << error.message();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Texts, RefusedText,
    testing::Values(
        BadText{"empty", "", 1}, BadText{"no_graph", "module(", 1},
        BadText{"not_closed", "graph(%x: f32[1]) {\n  return %x\n", 3},
        BadText{"unknown_value", "graph(%x: f32[1]) {\n  %y = Op(%q)\n  return %y\n}", 2},
        BadText{"unknown_output", "graph(%x: f32[1]) {\n\n  return %y\n}", 3},
        BadText{"unknown_dtype", "graph(%x: float[1]) {\n  return %x\n}", 1},
        BadText{"bad_dim", "graph(%x: f32[1]) {\n  %y: f32[2;3] = Op(%x)\n  return %y\n}", 2},
        BadText{"wrong_count", "graph(%x: f32[1]) {\n\n  const %w: f32[3] = {1, 2}\n  return %x\n}", 3},
        BadText{"symbolic_constant", "graph(%x: f32[1]) {\n  const %w: f32[n] = {1}\n  return %x\n}", 2},
        BadText{"negative_size", "graph(%x: f32[1]) {\n  const %w: f32[-3] = {1}\n  return %x\n}", 2},
        BadText{"no_number", "graph(%x: f32[1]) {\n  %y = Op(%x) {a=one}\n  return %y\n}", 2},
        BadText{"open_string", "graph(%x: f32[1]) {\n  %y = Op(%x) {a=\"one}\n  return %y\n}", 2},
        BadText{"no_operator", "graph(%x: f32[1]) {\n  %y = (%x)\n  return %y\n}", 2},
        BadText{"no_equals", "graph(%x: f32[1]) {\n  %y Op(%x)\n  return %y\n}", 2}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace vulcap::graph
