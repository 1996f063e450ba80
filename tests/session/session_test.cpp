#include "runtime/session/session.h"

#include <gtest/gtest.h>

#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/graph/text.h"
#include "tests/session/tensors.h"

namespace vulcap::session {
namespace {

constexpr const char* kText = R"(graph(%x: f32[batch,3], %i: i64[n]) {
  const %t: f32[5,3] = ?
  %g = Gather(%t, %i)
  %m = ReduceSum(%g)
  %y = Add(%x, %m)
  return %y, %g
})";

core::Tensor floats(core::Shape shape) { return test::random_tensor(core::DType::kF32, std::move(shape), 1); }
core::Tensor ids(std::vector<int64_t> values) {
  return core::Tensor::from<int64_t>(core::DType::kI64, {int64_t(values.size())}, values);
}

std::string refusal(Session& session, const NamedTensors& inputs) {
  try {
    session.run(inputs);
  } catch (const core::Error& error) {
    return error.message();
  }
  return "";
}

TEST(Session, RunsAnyShapes) {
  Session session(test::cpu_device(), graph::parse_text(kText));
  for (int64_t batch : {1, 4, 0, 4}) {
    const core::Tensor x = floats({batch, 3});
    const NamedTensors outputs = session.run({{"x", x}, {"i", ids({1, 4})}});
    ASSERT_EQ(outputs.size(), 2u);
    EXPECT_EQ(outputs.at("y").shape(), (core::Shape{batch, 3}));
    double sum = 0;
    for (size_t k = 0; k < 6; ++k) sum += outputs.at("g").at_f64(k);
    for (size_t k = 0; k < x.size(); ++k) EXPECT_NEAR(outputs.at("y").at_f64(k), x.at_f64(k) + sum, 1e-5);
  }
}

TEST(Session, ValuesOfOneRunDoNotReachTheNext) {
  Session session(test::cpu_device(), graph::parse_text(kText));
  const NamedTensors first = session.run({{"x", floats({2, 3})}, {"i", ids({0})}});
  session.run({{"x", floats({2, 3})}, {"i", ids({3})}});
  test::expect_same(session.run({{"x", floats({2, 3})}, {"i", ids({0})}}).at("y"), first.at("y"), {0, 0},
                    "third run");
}

TEST(Session, ManyShapesAreForgottenAgain) {
  Session session(test::cpu_device(), graph::parse_text(kText));
  for (int64_t batch = 1; batch < 200; ++batch)
    ASSERT_EQ(session.run({{"x", floats({batch, 3})}, {"i", ids({0})}}).at("y").shape()[0], batch);
}

TEST(Session, InputsMustFit) {
  Session session(test::cpu_device(), graph::parse_text(kText));
  EXPECT_NE(refusal(session, {{"x", floats({2, 3})}}).find("'i'"), std::string::npos);
  EXPECT_NE(refusal(session, {{"x", floats({2, 4})}, {"i", ids({0})}}).find("'x'"), std::string::npos);
  EXPECT_NE(refusal(session, {{"x", floats({3})}, {"i", ids({0})}}).find("'x'"), std::string::npos);
  EXPECT_NE(refusal(session, {{"x", ids({0})}, {"i", ids({0})}}).find("f32"), std::string::npos);
  EXPECT_NE(refusal(session, {{"x", floats({2, 3})}, {"i", ids({5})}}).find("index 5"), std::string::npos);
  EXPECT_EQ(refusal(session, {{"x", floats({2, 3})}, {"i", ids({0})}}), "")
      << "an error leaves the session usable";
}

// One symbol is one size: two inputs that share it must agree.
TEST(Session, ASymbolHasOneSize) {
  Session session(test::cpu_device(),
                  graph::parse_text(
                      "graph(%a: f32[n,3], %b: f32[n,5]) {\n  %y = Concat(%a, %b) {axis=1}\n  return %y\n}"));
  EXPECT_EQ(refusal(session, {{"a", floats({2, 3})}, {"b", floats({2, 5})}}), "");
  EXPECT_NE(refusal(session, {{"a", floats({2, 3})}, {"b", floats({4, 5})}}), "");
}

TEST(Session, TheMergedDecoderChoosesItsBranchByTheInput) {
  const std::string folder = std::string(VULCAP_TEST_DATA) + "/vit-gpt2/";
  Session merged(test::cpu_device(), onnx::load_graph(folder + "decoder_model_merged.onnx"));
  Session plain(test::cpu_device(), onnx::load_graph(folder + "decoder_model.onnx"));
  Session with_past(test::cpu_device(), onnx::load_graph(folder + "decoder_with_past_model.onnx"));
  NamedTensors inputs = {
      {"input_ids", core::Tensor::from<int64_t>(core::DType::kI64, {2, 1}, std::vector<int64_t>{5, 9})},
      {"encoder_hidden_states", floats({2, 7, 48})}};
  const NamedTensors first = plain.run(inputs);
  for (const auto& [name, tensor] : first) {
    if (name.starts_with("present")) inputs["past_key_values" + name.substr(7)] = tensor;
  }
  inputs["use_cache_branch"] = core::Tensor::from<uint8_t>(core::DType::kBool, {1}, std::vector<uint8_t>{0});
  test::expect_same(merged.run(inputs).at("logits"), first.at("logits"), {1e-5, 1e-5},
                    "branch without cache");
  inputs["use_cache_branch"] = core::Tensor::from<uint8_t>(core::DType::kBool, {1}, std::vector<uint8_t>{1});
  const NamedTensors next = merged.run(inputs);
  EXPECT_EQ(next.at("present.0.key").shape()[2], 2);
  const NamedTensors want = with_past.run(inputs);
  for (const auto& [name, tensor] : want) test::expect_same(next.at(name), tensor, {1e-5, 1e-5}, name);
}

TEST(OpenDevice, NamesTheProcessorAndTheReason) {
  const OpenedDevice cpu = open_device({"cpu", 1, {}});
  EXPECT_TRUE(cpu.name.starts_with("cpu (")) << cpu.name;
  EXPECT_NE(cpu.name.find("1 thread)"), std::string::npos) << cpu.name;
  EXPECT_FALSE(cpu.reason.empty());
  EXPECT_FALSE(cpu.is_vulkan);
  const OpenedDevice any = open_device({});
  EXPECT_FALSE(any.reason.empty());
}

TEST(OpenDevice, RefusesWhatItDoesNotKnow) {
  const auto code = [](const std::string& name) {
    try {
      open_device({name, 0, {}});
    } catch (const core::Error& error) {
      return error.code();
    }
    return core::ErrorCode::kRuntime;
  };
  EXPECT_EQ(code("gpu"), core::ErrorCode::kUsage);
  EXPECT_EQ(code(""), core::ErrorCode::kUsage);
  EXPECT_EQ(code("vulkan:99"), core::ErrorCode::kNoDevice);
  EXPECT_EQ(code("name:no such device"), core::ErrorCode::kNoDevice);
}

}  // namespace
}  // namespace vulcap::session
