// Plans over a made-up back end: what is split, what is placed where and why, and how values get their
// memory.
#include "runtime/plan/plan.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "runtime/core/error.h"
#include "runtime/graph/text.h"
#include "runtime/ops/op_registry.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"
#include "runtime/plan/arena.h"
#include "shaders/abi.h"

namespace vulcap::plan {
namespace {

class FakeBackend : public Backend {
 public:
  uint64_t binding_limit = UINT64_MAX;
  std::vector<std::string> refused;

  std::string name() const override { return "fake"; }
  Limits limits() const override { return {binding_limit}; }
  Support supports(const ops::KernelCall& call) const override {
    for (const std::string& kernel : refused) {
      if (ops::kernels()[call.kernel].name == kernel) return {false, "no " + kernel + " here"};
    }
    return {};
  }
  bool owns(const Buffer&) const override { return true; }
  std::shared_ptr<Buffer> allocate(size_t, std::string_view) override { return nullptr; }
  std::shared_ptr<Buffer> upload(const WeightRequest&) override { return nullptr; }
  std::unique_ptr<Executable> build(BuildRequest) override { return nullptr; }
};

graph::Graph prepared(const std::string& text) {
  const graph::Graph graph = graph::parse_text(text);
  std::map<std::string, passes::InputSpec> specs;
  for (graph::ValueId in : graph.inputs)
    specs[graph.value(in).name] = {*graph.value(in).shape, std::nullopt, graph.value(in).capacity, {}};
  graph::Graph result = passes::specialise(graph, specs);
  passes::run_passes(result);
  return result;
}

std::vector<std::string> kernels_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const ops::KernelCall& call : plan.calls) names.emplace_back(ops::kernels()[call.kernel].name);
  return names;
}

// Every binding lies inside its buffer.
void expect_sound(const Plan& plan) {
  EXPECT_EQ(plan.on_host.size(), plan.calls.size());
  EXPECT_EQ(plan.reasons.size(), plan.calls.size());
  for (const ops::KernelCall& call : plan.calls) {
    EXPECT_GT(call.param_bytes, 0u);
    for (const ops::Binding& binding : call.bindings) {
      if (binding.kind == ops::BufferKind::kArena) {
        EXPECT_LE(binding.offset + binding.size, plan.arena_bytes);
        EXPECT_EQ(binding.offset % kArenaAlignment, 0u);
      } else if (binding.kind == ops::BufferKind::kConstant) {
        EXPECT_LT(binding.index, plan.constants.size());
        EXPECT_FALSE(binding.written);
      } else if (binding.kind == ops::BufferKind::kExternal) {
        EXPECT_LT(binding.index, plan.externals.size());
      }
    }
  }
}

constexpr const char* kMlp = R"(graph(%x: f32[5,64]) {
  const %w1: f32[64,256] = ?
  const %b1: f32[256] = ?
  const %w2: f32[256,64] = ?
  %h = MatMul(%x, %w1)
  %hb = Add(%h, %b1)
  %a = Gelu(%hb)
  %m = MatMul(%a, %w2)
  %s = Softmax(%m)
  %r = Add(%s, %x)
  %y = Neg(%r)
  return %y
})";

TEST(Plan, BindsInputsOutputsWeightsAndScratch) {
  const Plan plan = make_plan(prepared(kMlp), FakeBackend());
  expect_sound(plan);
  EXPECT_EQ(kernels_of(plan), (std::vector<std::string>{"matmul", "matmul", "softmax", "binary", "unary"}));
  ASSERT_EQ(plan.externals.size(), 2u);
  EXPECT_EQ(plan.external("x"), 0u);
  EXPECT_TRUE(plan.externals[0].is_input);
  EXPECT_TRUE(plan.externals[plan.external("y")].is_output);
  EXPECT_EQ(plan.externals[0].bytes, 5u * 64 * 4);
  EXPECT_EQ(plan.constants.size(), 3u);
  EXPECT_LT(plan.arena_bytes, plan.arena_sum_bytes + 5 * kArenaAlignment);
  EXPECT_TRUE(plan.calls.back().bindings.back().written);
  EXPECT_EQ(plan.calls.back().bindings.back().kind, ops::BufferKind::kExternal);
  try {
    plan.external("z");
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_NE(error.message().find("'z'"), std::string::npos);
  }
}

TEST(Plan, ReusesScratch) {
  std::string text = "graph(%x: f32[1000]) {\n  %v0 = Neg(%x)\n";
  for (int i = 1; i < 20; ++i)
    text += "  %v" + std::to_string(i) + " = Exp(%v" + std::to_string(i - 1) + ")\n";
  const Plan plan = make_plan(prepared(text + "  return %v19\n}"), FakeBackend());
  expect_sound(plan);
  EXPECT_EQ(plan.arena_sum_bytes, 19u * 4000);
  EXPECT_EQ(plan.arena_bytes, 2u * 4096);
}

TEST(Plan, RefusedKernelsRunOnTheHostWithTheReason) {
  FakeBackend backend;
  backend.refused = {"softmax", "unary"};
  const Plan plan = make_plan(prepared(kMlp), backend);
  const auto names = kernels_of(plan);
  for (size_t i = 0; i < names.size(); ++i) {
    const bool refused = names[i] == "softmax" || names[i] == "unary";
    EXPECT_EQ(plan.on_host[i], refused ? 1 : 0) << names[i];
    EXPECT_EQ(plan.reasons[i], refused ? "no " + names[i] + " here" : "");
  }
  const std::string text = plan_text(plan);
  EXPECT_NE(text.find("[cpu: no softmax here]"), std::string::npos) << text;
  EXPECT_NE(text.find("5 calls, 2 on the cpu by fallback"), std::string::npos) << text;
}

TEST(Plan, TextNamesKernelsOperandsAndMemory) {
  const std::string text = plan_text(make_plan(prepared(kMlp), FakeBackend()));
  EXPECT_NE(text.find("0: matmul.f32.f32 work=256x5x1 x w1 b1"), std::string::npos) << text;
  EXPECT_NE(text.find(" -> arena+0"), std::string::npos) << text;
  EXPECT_NE(text.find(" -> y"), std::string::npos) << text;
  EXPECT_NE(text.find("5 calls, 0 on the cpu by fallback; weights "), std::string::npos) << text;
}

// A weight of 64 KiB over a limit of 20 KiB: 80 columns a binding, of which a multiple of 64 is used.
TEST(Plan, AWeightTooLargeForABindingIsMultipliedInParts) {
  FakeBackend backend;
  backend.binding_limit = 20 * 1024;
  const Plan plan = make_plan(
      prepared("graph(%x: f32[3,64]) {\n  const %w: f32[64,250] = ?\n  %y = MatMul(%x, %w)\n  return %y\n}"),
      backend);
  expect_sound(plan);
  EXPECT_EQ(kernels_of(plan), std::vector<std::string>(4, "matmul"));
  uint64_t at = 0;
  for (size_t i = 0; i < plan.constants.size(); ++i) {
    const WeightRequest& request = plan.constants[i].request;
    EXPECT_EQ(request.n_begin, at);
    at = request.n_end;
    EXPECT_EQ(plan.calls[i].bindings[1].size, (request.n_end - request.n_begin) * 64 * 4);
    EXPECT_LE(plan.calls[i].bindings[1].size, backend.binding_limit);
    EXPECT_EQ(plan.calls[i].params_as<abi::MatmulParams>().c_column, request.n_begin);
  }
  EXPECT_EQ(at, 250u);
}

TEST(Plan, ATableTooLargeForABindingIsReadInParts) {
  FakeBackend backend;
  backend.binding_limit = 1000;
  const Plan plan = make_plan(
      prepared("graph(%i: i64[3]) {\n  const %t: f32[101,10] = ?\n  %y = Gather(%t, %i)\n  return %y\n}"),
      backend);
  expect_sound(plan);
  ASSERT_EQ(kernels_of(plan), std::vector<std::string>(5, "gather"));
  uint32_t at = 0;
  for (const ops::KernelCall& call : plan.calls) {
    const auto& p = call.params_as<abi::GatherParams>();
    EXPECT_EQ(p.row_begin, at);
    at = p.row_end;
    EXPECT_EQ(p.axis_size, 101u);
    EXPECT_LE(call.bindings[0].size, backend.binding_limit);
  }
  EXPECT_EQ(at, 101u);
}

// Even one row does not fit: any outcome is good but a plan that never ends.
TEST(Plan, ARowTooLargeForABindingEndsThePlan) {
  EXPECT_EXIT(
      {
        alarm(5);
        FakeBackend backend;
        backend.binding_limit = 16;
        try {
          make_plan(
              prepared(
                  "graph(%i: i64[1]) {\n  const %t: f32[7,10] = ?\n  %y = Gather(%t, %i)\n  return %y\n}"),
              backend);
        } catch (const core::Error&) {
        }
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Plan, AnOutputThatIsAnInputIsCopied) {
  const Plan plan = make_plan(prepared("graph(%x: f32[2,3]) {\n  const %to: i64[1] = {6}\n  %y = Reshape(%x, "
                                       "%to)\n  %z = Identity(%x)\n  return %y, %z\n}"),
                              FakeBackend());
  expect_sound(plan);
  EXPECT_EQ(kernels_of(plan), (std::vector<std::string>{"copy", "copy"}));
  EXPECT_EQ(plan.externals.size(), 3u);
}

TEST(Plan, AConstantOutputIsCopied) {
  const Plan plan =
      make_plan(prepared("graph(%x: f32[2]) {\n  const %a: f32[2] = {1, 2}\n  %y = Exp(%a)\n  return %y\n}"),
                FakeBackend());
  expect_sound(plan);
  EXPECT_EQ(kernels_of(plan), std::vector<std::string>{"copy"});
}

TEST(Plan, CachedValuesHaveRoomAndReadThePast) {
  const Plan plan = make_plan(prepared(R"(graph(%past: f32[1,2,$past,4] capacity=32, %new: f32[1,2,1,4]) {
  %y = Concat(%past, %new) {axis=2}
  return %y
})"),
                              FakeBackend(), 31);
  expect_sound(plan);
  EXPECT_EQ(plan.externals[plan.external("past")].bytes, 2u * 32 * 4 * 4);
  ASSERT_EQ(plan.calls.size(), 1u);
  EXPECT_TRUE(plan.calls[0].uses_state);
  EXPECT_EQ(plan.calls[0].bindings.back().kind, ops::BufferKind::kState);
}

TEST(Plan, ScratchIsSizedForTheLargestPast) {
  const std::string text = R"(graph(%past: f32[1,2,$past,4] capacity=32, %new: f32[1,2,1,4]) {
  %k = Concat(%past, %new) {axis=2}
  %y = Exp(%k)
  return %y
})";
  EXPECT_THROW(make_plan(prepared(text), FakeBackend(), 31), ops::NeedsStaticShape);
}

TEST(Plan, WhatCannotBeLoweredIsNamed) {
  graph::Graph graph = graph::parse_text("graph(%x: f32[2]) {\n  %y: f32[2] = If(%x)\n  return %y\n}");
  try {
    make_plan(std::move(graph), FakeBackend());
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    EXPECT_NE(error.message().find("'y' (If)"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace vulcap::plan
