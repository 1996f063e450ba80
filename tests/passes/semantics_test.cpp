// Graphs give the same numbers with every pass on as with every pass off, and with each single pass off.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/core/error.h"
#include "runtime/graph/text.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"
#include "runtime/session/session.h"
#include "tests/session/tensors.h"

namespace vulcap::passes {
namespace {

namespace fs = std::filesystem;
using session::NamedTensors;

struct Sizes {
  int64_t batch;
  int64_t length;
};

NamedTensors random_inputs(const graph::Graph& graph, const Sizes& sizes, uint32_t seed) {
  NamedTensors inputs;
  for (graph::ValueId in : graph.inputs) {
    const graph::Value& value = graph.value(in);
    const auto bound = bind_symbols(*value.shape, {{core::intern_symbol("batch"), sizes.batch},
                                                   {core::intern_symbol("length"), sizes.length}});
    core::Shape shape;
    for (const core::Dim& dim : bound) shape.push_back(dim.value());
    inputs[value.name] = test::random_tensor(value.dtype, shape, seed++);
  }
  return inputs;
}

NamedTensors run(const graph::Graph& graph, const NamedTensors& inputs, std::vector<std::string> disabled) {
  PassOptions options;
  options.disabled = std::move(disabled);
  return session::Session(test::cpu_device(), graph, options).run(inputs);
}

std::vector<std::string> all_passes() {
  std::vector<std::string> names;
  for (const Pass& pass : passes()) names.emplace_back(pass.name);
  return names;
}

void expect_equal(const NamedTensors& got, const NamedTensors& want, const std::string& what) {
  for (const auto& [name, tensor] : want) {
    const double tolerance = tensor.dtype() == core::DType::kF16 ? 5e-3 : 1e-5;
    test::expect_same(got.at(name), tensor, {tolerance, tolerance}, what + ", output " + name);
  }
}

void compare(const std::string& text, const Sizes& sizes) {
  const graph::Graph graph = graph::parse_text(text);
  const NamedTensors inputs = random_inputs(graph, sizes, uint32_t(sizes.batch * 100 + sizes.length));
  const NamedTensors plain = run(graph, inputs, all_passes());
  expect_equal(run(graph, inputs, {}), plain, "all passes");
  for (const std::string& name : all_passes())
    expect_equal(run(graph, inputs, {name}), plain, "without " + name);
}

// ---- the graphs of the pass goldens ----

class GoldenGraph : public testing::TestWithParam<std::string> {};

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Those with a cache need a decoder to run.
std::vector<std::string> golden_graphs() {
  const fs::path root = fs::path(VULCAP_TEST_DATA) / "passes";
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = fs::relative(entry.path(), root).generic_string();
    if (name.ends_with(".before.txt") && read_text(entry.path()).find("$past") == std::string::npos)
      found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string identifier(std::string name) {
  name = name.substr(0, name.find('.'));
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

TEST_P(GoldenGraph, MeansTheSame) {
  compare(read_text(fs::path(VULCAP_TEST_DATA) / "passes" / GetParam()), {2, 5});
}

INSTANTIATE_TEST_SUITE_P(Passes, GoldenGraph, testing::ValuesIn(golden_graphs()),
                         [](const auto& test) { return identifier(test.param); });

// ---- larger graphs over several sizes ----

struct Sample {
  const char* name;
  const char* text;
  friend void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }
};

constexpr Sample kSamples[] = {
    {"transformer_block", R"(graph(%x: f32[batch,length,12]) {
  const %ax: i64[1] = {-1}
  const %two: f32[] = {2}
  const %eps: f32[] = {1e-05}
  const %g: f32[12] = ?
  const %b: f32[12] = ?
  const %wqkv: f32[12,36] = ?
  const %bqkv: f32[36] = ?
  const %heads: i64[4] = {0, 0, 3, 4}
  const %flat: i64[3] = {0, 0, 12}
  const %scale: f32[] = {0.5}
  const %wo: f32[12,12] = ?
  const %w1: f32[12,20] = ?
  const %b1: f32[20] = ?
  const %w2: f32[20,12] = ?
  %mean = ReduceMean(%x, %ax)
  %d = Sub(%x, %mean)
  %sq = Pow(%d, %two)
  %var = ReduceMean(%sq, %ax)
  %ve = Add(%var, %eps)
  %sd = Sqrt(%ve)
  %n = Div(%d, %sd)
  %ng = Mul(%n, %g)
  %norm = Add(%ng, %b)
  %m = MatMul(%norm, %wqkv)
  %qkv = Add(%m, %bqkv)
  %q, %k, %v = Split(%qkv) {axis=2, num_outputs=3}
  %q4 = Reshape(%q, %heads)
  %qt = Transpose(%q4) {perm=[0,2,1,3]}
  %k4 = Reshape(%k, %heads)
  %kt = Transpose(%k4) {perm=[0,2,3,1]}
  %v4 = Reshape(%v, %heads)
  %vt = Transpose(%v4) {perm=[0,2,1,3]}
  %s = MatMul(%qt, %kt)
  %ss = Mul(%s, %scale)
  %p = Softmax(%ss) {axis=3}
  %o = MatMul(%p, %vt)
  %ot = Transpose(%o) {perm=[0,2,1,3]}
  %of = Reshape(%ot, %flat)
  %oo = MatMul(%of, %wo)
  %r = Add(%oo, %x)
  %h = MatMul(%r, %w1)
  %hb = Add(%h, %b1)
  %a = Gelu(%hb)
  %h2 = MatMul(%a, %w2)
  %y = Add(%r, %h2)
  return %y
})"},
    {"causal_by_positions", R"(graph(%q: f32[batch,2,length,4], %k: f32[batch,2,length,4]) {
  const %low: f32[] = {-3.4e38}
  const %zero: i64[] = {0}
  const %one: i64[] = {1}
  const %two: i64[] = {2}
  const %column: i64[2] = {-1, 1}
  %shape = Shape(%q)
  %n = Gather(%shape, %two)
  %r = Range(%zero, %n, %one)
  %rq = Reshape(%r, %column)
  %tri = LessOrEqual(%r, %rq)
  %kt = Transpose(%k) {perm=[0,1,3,2]}
  %s = MatMul(%q, %kt)
  %sm = Where(%tri, %s, %low)
  %p = Softmax(%sm)
  %y = MatMul(%p, %k)
  return %y
})"},
    {"image_patches", R"(graph(%x: f32[batch,3,8,8]) {
  const %w: f32[5,3,4,4] = ?
  const %b: f32[5] = ?
  const %flat: i64[3] = {0, 5, -1}
  %c = Conv(%x, %w, %b) {kernel_shape=[4,4], strides=[4,4]}
  %v = Reshape(%c, %flat)
  %t = Transpose(%v) {perm=[0,2,1]}
  %r = Relu(%t)
  %y = Neg(%r)
  return %y
})"},
    {"reversed_twice", R"(graph(%x: f32[batch,length]) {
  const %s: i64[1] = {-1}
  const %e: i64[1] = {-1000}
  const %ax: i64[1] = {1}
  const %st: i64[1] = {-1}
  %a = Neg(%x)
  %b = Slice(%a, %s, %e, %ax, %st)
  %c = Relu(%b)
  %d = Slice(%c, %s, %e, %ax, %st)
  %y = Add(%d, %b)
  return %y
})"},
    {"batch_mask_of_rank_3",
     R"(graph(%q: f32[batch,length,4], %k: f32[batch,length,4], %m: f32[batch,length,length]) {
  %kt = Transpose(%k) {perm=[0,2,1]}
  %s = MatMul(%q, %kt)
  %sm = Add(%s, %m)
  %p = Softmax(%sm)
  %y = MatMul(%p, %k)
  return %y
})"},
    {"one_position_against_many", R"(graph(%x: f32[batch,3], %z: f32[batch,3]) {
  const %five: i64[] = {5}
  const %six: i64[] = {6}
  const %eight: i64[] = {8}
  const %one: i64[] = {1}
  %a = Range(%five, %six, %one)
  %b = Range(%five, %eight, %one)
  %c = Less(%a, %b)
  %w = Where(%c, %x, %z)
  %y = Neg(%w)
  return %y
})"},
    {"expanded_position", R"(graph(%x: f32[batch,3], %z: f32[batch,3]) {
  const %five: i64[] = {5}
  const %six: i64[] = {6}
  const %one: i64[] = {1}
  const %four: i64[1] = {4}
  const %s: i64[1] = {1}
  const %e: i64[1] = {4}
  %a = Range(%five, %six, %one)
  %b = Expand(%a, %four)
  %t = Slice(%b, %s, %e)
  %c = GreaterOrEqual(%t, %six)
  %w = Where(%c, %x, %z)
  %y = Neg(%w)
  return %y
})"},
    {"residual_through_views", R"(graph(%x: f32[batch,length,6], %r: f32[batch,length,8]) {
  const %flat: i64[2] = {-1, 6}
  const %back: i64[3] = {-1, 1, 8}
  const %w: f32[6,8] = ?
  const %b: f32[8] = ?
  %shape = Shape(%r)
  %f = Reshape(%x, %flat)
  %m = Gemm(%f, %w, %b) {alpha=0.5}
  %a = Relu(%m)
  %v = Reshape(%a, %shape)
  %s = Add(%v, %r)
  %y = Mul(%s, %v)
  return %y, %s
})"},
};

class SampleGraph : public testing::TestWithParam<Sample> {};

TEST_P(SampleGraph, MeansTheSame) {
  for (const Sizes& sizes : {Sizes{1, 1}, Sizes{1, 7}, Sizes{2, 5}, Sizes{3, 2}, Sizes{5, 13}}) {
    SCOPED_TRACE("batch " + std::to_string(sizes.batch) + ", length " + std::to_string(sizes.length));
    compare(GetParam().text, sizes);
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, SampleGraph, testing::ValuesIn(kSamples),
                         [](const auto& test) { return std::string(test.param.name); });

float only_number(const std::string& text) {
  return run(graph::parse_text(text), {{"x", core::Tensor::from<float>(core::DType::kF32, {1}, {1.0f})}}, {})
      .at("y")
      .as<float>()[0];
}

// What shape facts say of constants must be what the constants are.
TEST(Facts, AgreeWithTheNumbers) {
  EXPECT_EQ(only_number("graph(%x: f32[1]) {\n  const %b: i64[1] = {300}\n  %u = Cast(%b) {to=2}\n  %f = "
                        "Cast(%u) {to=7}\n  %r = Cast(%f) {to=1}\n  %y = Mul(%x, %r)\n  return %y\n}"),
            44);
  EXPECT_EQ(only_number("graph(%x: f32[1]) {\n  const %a: i64[] = {-7}\n  const %b: i64[1] = {2}\n  %d = "
                        "Div(%a, %b)\n  %r = Cast(%d) {to=1}\n  %y = Mul(%x, %r)\n  return %y\n}"),
            -3);
}

// Of $past + 1 positions the last two exist only once $past is 1: refused, or left to whoever binds $past.
TEST(Facts, ASliceThatMayBeginBeforeTheTensorIsGuarded) {
  const graph::Graph graph = graph::parse_text(R"(graph(%x: f32[$past + 1,4]) {
  const %s: i64[1] = {-2}
  const %e: i64[1] = {9223372036854775807}
  %y = Slice(%x, %s, %e)
  return %y
})");
  try {
    const graph::Graph result =
        specialise(graph, {{"x", {*graph.value(graph.inputs[0]).shape, std::nullopt, 0, {}}}});
    EXPECT_FALSE(result.guards.empty()) << graph::to_text(result);
  } catch (const core::Error&) {
  }
}

}  // namespace
}  // namespace vulcap::passes
