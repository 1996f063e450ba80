// Adapters that cannot be merged, or only in part: one clear line each, and no file.
#include <gtest/gtest.h>

#include <algorithm>

#include "loader/lora/merged_model.h"
#include "loader/lora/module_match.h"
#include "tests/lora/adapter_files.h"

namespace vulcap::lora {
namespace {

using lora_test::factors;
using lora_test::safetensors_bytes;
using lora_test::write_adapter;
using onnx_test::error_of;
using onnx_test::TempFolder;
using onnx_test::write_file;
namespace proto = ::onnx;

// y = x W, W f32[4, 5] of the module model.fc.
proto::ModelProto linear_model(const std::string& node_name = "/model/fc/MatMul",
                               const std::string& weight = "onnx::MatMul_1") {
  proto::ModelProto model = onnx_test::empty_model();
  auto* graph = model.mutable_graph();
  onnx_test::set_value(graph->add_input(), "x", proto::TensorProto::FLOAT, {-1, 4});
  onnx_test::set_value(graph->add_output(), "y", proto::TensorProto::FLOAT, {-1, 5});
  auto* tensor = onnx_test::add_tensor(graph, weight, proto::TensorProto::FLOAT, {4, 5});
  for (int i = 0; i < 20; ++i) tensor->add_float_data(float(i));
  onnx_test::add_node(graph, "MatMul", {"x", weight}, {"y"})->set_name(node_name);
  return model;
}

class Merge : public testing::Test {
 protected:
  Merge() { write_model(linear_model()); }

  void write_model(const proto::ModelProto& model) {
    write_file(folder_ / "model.onnx", model.SerializeAsString());
  }
  Adapter::Merged merge(const nlohmann::json& config, const std::string& weights, bool partial = false) {
    const auto adapter = write_adapter(folder_ / "adapter", config, weights);
    return write_merged_model(folder_ / "model.onnx", adapter, folder_ / "out.onnx", partial);
  }
  void expect_error(const nlohmann::json& config, const std::string& weights, const std::string& part) {
    const std::string message = error_of([&] { merge(config, weights); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out.onnx"));
  }
  void expect_config_error(const nlohmann::json& config, const std::string& part) {
    expect_error(config, safetensors_bytes(factors("model.fc", 5, 4)), part);
  }

  TempFolder folder_;
};

TEST_F(Merge, TypedDataBecomesRaw) {
  const auto merged = merge({}, safetensors_bytes(factors("model.fc", 5, 4)));
  EXPECT_EQ(merged.modules.at("model.fc"), "model.fc");
  const onnx::ModelDef out = onnx::read_model(folder_ / "out.onnx");
  for (size_t i = 0; i < 20; ++i)
    EXPECT_EQ(out.graph.initializers.at(0).tensor.at_f64(i), double(i) + 2.0);  // scale 1, rank 2, ones
}

TEST_F(Merge, ConfigsThatCannotBeMerged) {
  expect_config_error({{"use_dora", true}}, "use_dora cannot be merged");
  expect_config_error({{"peft_type", "LOHA"}}, "LOHA");
  expect_config_error({{"init_lora_weights", "pissa"}}, "base weights");
  expect_config_error({{"trainable_token_indices", {1, 2}}}, "trainable_token_indices");
  expect_config_error({{"layer_replication", {{0, 4}}}}, "layer_replication");
  expect_config_error({{"shiny_new_option", true}}, "shiny_new_option");
  expect_config_error({{"bias", "some"}}, "bias must be");
  expect_config_error({{"r", 0}}, "r must be");
  expect_config_error({{"r", "2"}}, "r must be a number");
  expect_config_error({{"lora_alpha", nullptr}, {"rank_pattern", {{"(", 2}}}}, "rank_pattern");
  expect_config_error({{"target_modules", {1}}}, "target_modules");
  expect_config_error({{"layers_to_transform", {"a"}}}, "layers_to_transform");
  expect_config_error({{"r", 3}}, "do not fit r = 3");
  expect_config_error({{"target_modules", {"other"}}}, "not chosen by target_modules");
  EXPECT_NO_THROW(merge({{"shiny_new_option", nullptr}, {"corda_config", nullptr}},
                        safetensors_bytes(factors("model.fc", 5, 4))));
}

TEST_F(Merge, TensorsThatDoNotFit) {
  expect_error({}, safetensors_bytes(factors("model.fc", 4, 5)), "adds [4,5] to weight 'onnx::MatMul_1'");
  expect_error({}, safetensors_bytes(factors("model.fc", 6, 4)), "6 outputs in the adapter but 5");
  expect_error({}, safetensors_bytes(factors("other.fc", 5, 4)), "no weights of these modules: other.fc");
  expect_error({}, safetensors_bytes({factors("model.fc", 5, 4)[0]}), "one of lora_A and lora_B only");
  expect_error({}, safetensors_bytes(std::vector<lora_test::Filled>{}), "holds no tensors");
  expect_error({}, safetensors_bytes({{"base_model.model.model.fc.lora_magnitude_vector", {5}}}), "DoRA");
  expect_error({}, safetensors_bytes({{"base_model.model.model.fc.running_mean", {5}}}), "running_mean");
  expect_error({}, safetensors_bytes({{"base_model.model.model.fc.weight", {4, 4}}}),
               "is it the right adapter");
  auto infinite = factors("model.fc", 5, 4);
  infinite[0].value = std::numeric_limits<float>::infinity();
  expect_error({}, safetensors_bytes(infinite), "not finite");
}

TEST_F(Merge, FilesThatAreMissing) {
  write_adapter(folder_ / "adapter", {}, "");
  const auto merge_it = [&] {
    write_merged_model(folder_ / "model.onnx", folder_ / "adapter", folder_ / "out.onnx", false);
  };
  std::filesystem::remove(folder_ / "adapter/adapter_model.safetensors");
  EXPECT_NE(error_of(merge_it).find("adapter_model.safetensors: file not found"), std::string::npos);
  write_file(folder_ / "adapter/adapter_model.bin", "PK");
  EXPECT_NE(error_of(merge_it).find("pickle"), std::string::npos);
  std::filesystem::remove_all(folder_ / "adapter");
  EXPECT_NE(error_of(merge_it).find("not a folder"), std::string::npos);
}

TEST_F(Merge, QuantisedWeights) {
  proto::ModelProto model = linear_model();
  auto* graph = model.mutable_graph();
  graph->clear_initializer();
  graph->clear_node();
  auto* weight = onnx_test::add_tensor(graph, "w", proto::TensorProto::INT8, {4, 5});
  weight->set_raw_data(std::string(20, '\1'));
  onnx_test::add_tensor(graph, "s", proto::TensorProto::FLOAT, {})->add_float_data(1);
  onnx_test::add_node(graph, "DequantizeLinear", {"w", "s"}, {"d"});
  onnx_test::add_node(graph, "MatMul", {"x", "d"}, {"y"})->set_name("/model/fc/MatMul");
  write_model(model);
  expect_error({}, safetensors_bytes(factors("model.fc", 5, 4)), "quantised");
}

TEST_F(Merge, SharedWeights) {
  proto::ModelProto model = linear_model();
  onnx_test::add_node(model.mutable_graph(), "MatMul", {"x", "onnx::MatMul_1"}, {"z"})
      ->set_name("/model/other/MatMul");
  write_model(model);
  expect_error({}, safetensors_bytes(factors("model.fc", 5, 4)), "is shared by 'model.fc' and 'model.other'");
}

TEST_F(Merge, PartOfAModel) {
  auto both = factors("model.fc", 5, 4);
  for (const auto& item : factors("vision.fc", 5, 4)) both.push_back(item);
  expect_error({}, safetensors_bytes(both), "vision.fc; --partial");
  const auto merged = merge({}, safetensors_bytes(both), true);
  EXPECT_EQ(merged.unmatched, std::vector<std::string>{"vision.fc"});
  // While loading, a file beside this one may have the rest.
  const auto load = [&] { read_merged_model(folder_ / "model.onnx", folder_ / "adapter"); };
  EXPECT_NE(error_of(load).find("vision.fc"), std::string::npos);
  write_file(folder_ / "vision.onnx", linear_model("/vision/fc/MatMul").SerializeAsString());
  EXPECT_EQ(error_of(load), "");
}

TEST_F(Merge, NeverOverTheModelItself) {
  const auto adapter = write_adapter(folder_ / "adapter", {}, safetensors_bytes(factors("model.fc", 5, 4)));
  const std::string message = error_of(
      [&] { write_merged_model(folder_ / "model.onnx", adapter, folder_ / "adapter/../model.onnx", false); });
  EXPECT_NE(message.find("another name"), std::string::npos) << message;
  EXPECT_NE(error_of([&] {
              write_merged_model(folder_ / "model.onnx", adapter, folder_ / "no/out.onnx", false);
            }).find("cannot be written"),
            std::string::npos);
}

TEST(ModuleMatch, PrefersTheCloserName) {
  using Names = std::map<std::string, std::string>;
  EXPECT_EQ(match_modules({"model.fc"}, {"model.fc", "a.model.fc", "fc"}, ""),
            (Names{{"model.fc", "model.fc"}}));
  EXPECT_EQ(match_modules({"model.fc"}, {"a.model.fc", "fc"}, ""), (Names{{"model.fc", "a.model.fc"}}));
  EXPECT_EQ(match_modules({"model.fc"}, {"fc", "b.fc"}, ""), (Names{{"model.fc", "fc"}}));
  EXPECT_EQ(match_modules({"model.language_model.layers.0.fc"}, {"language_model.model.layers.0.fc"}, ""),
            (Names{{"model.language_model.layers.0.fc", "language_model.model.layers.0.fc"}}));
  EXPECT_EQ(match_modules({"layers.0.self_attn.q"}, {"layers.0.attn.q", "layers.1.attn.q"}, ""),
            (Names{{"layers.0.self_attn.q", "layers.0.attn.q"}}));
  EXPECT_TRUE(match_modules({"model.layers.0.fc"}, {"fc", "layers.1.fc", "vision.layers.0.fc"}, "").empty());
}

TEST(ModuleMatch, AGraphIsOnePartOfTheModel) {
  using Names = std::map<std::string, std::string>;
  const std::set<std::string> wanted = {"encoder.0.q", "decoder.0.q", "decoder.0.cross"};
  // The decoder would need "0.cross" as well.
  EXPECT_EQ(match_modules(wanted, {"0.q"}, ""), (Names{{"encoder.0.q", "0.q"}}));
  EXPECT_EQ(match_modules(wanted, {"0.q", "0.cross"}, "decoder_model"),
            (Names{{"decoder.0.q", "0.q"}, {"decoder.0.cross", "0.cross"}}));
  // Under a wrapper, and beside another part of the same one.
  EXPECT_EQ(match_modules({"text.bert.0.q", "vision.0.q"}, {"model.bert.0.q"}, ""),
            (Names{{"text.bert.0.q", "model.bert.0.q"}}));
  EXPECT_EQ(match_modules({"git.encoder.0.q", "git.image_encoder.0.k"}, {"encoder.0.q", "head"}, ""),
            (Names{{"git.encoder.0.q", "encoder.0.q"}}));
  const std::set<std::string> same = {"encoder.block.q", "decoder.block.q"};
  EXPECT_EQ(match_modules(same, {"block.q"}, "decoder_model"), (Names{{"decoder.block.q", "block.q"}}));
  EXPECT_NE(error_of([&] { match_modules(same, {"block.q"}, "model"); }).find("equally well"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              match_modules({"q"}, {"a.q", "b.q"}, "");
            }).find("equally well"),
            std::string::npos);
}

}  // namespace
}  // namespace vulcap::lora
