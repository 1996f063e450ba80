// vulcap pack and unpack: the weights move, and stay what they are.
#include <gtest/gtest.h>

#include <map>

#include "loader/conversion/merge_initializers.h"
#include "loader/onnx/external_locations.h"
#include "loader/onnx/model.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::testing {
namespace {

namespace builder = onnx_test;
using ::onnx::ModelProto;
using ::onnx::TensorProto;

const fs::path kExternal = kTestData / "lora" / "external" / "model.onnx";

std::string bytes_of(const core::Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size()};
}

// By name, those of subgraphs under the names of their nodes' outputs in front.
void collect(const onnx::GraphDef& graph, const std::string& place,
             std::map<std::string, std::string>& weights) {
  for (const onnx::Initializer& item : graph.initializers) weights[place + item.name] = bytes_of(item.tensor);
  for (const onnx::NodeDef& node : graph.nodes) {
    for (const onnx::Attribute& attribute : node.attributes) {
      const std::string inside = place + node.outputs[0] + "/" + attribute.name + "/";
      if (const auto* tensor = std::get_if<core::Tensor>(&attribute.value))
        weights[inside] = bytes_of(*tensor);
      if (const auto* inner = std::get_if<std::shared_ptr<onnx::GraphDef>>(&attribute.value))
        collect(**inner, inside, weights);
    }
  }
}

std::map<std::string, std::string> weights_of(const fs::path& model) {
  std::map<std::string, std::string> weights;
  collect(onnx::read_model(model).graph, "", weights);
  return weights;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    names.push_back(entry.path().lexically_relative(folder).string());
  return names;
}

std::string floats(size_t count, float value) {
  const std::vector<float> values(count, value);
  return {reinterpret_cast<const char*>(values.data()), count * sizeof(float)};
}

TEST(Pack, AndBackAreTheSameWeights) {
  TempFolder folder;
  const auto want = weights_of(kExternal);
  const std::string packed = (folder / "packed.onnx").string(),
                    unpacked = (folder / "unpacked.onnx").string();
  ASSERT_TRUE(exits(run_vulcap({"pack", kExternal.string(), "-o", packed}), 0));
  EXPECT_TRUE(onnx::external_locations(packed).empty());
  EXPECT_EQ(weights_of(packed), want);
  const Outcome outcome = run_vulcap({"unpack", packed, "-o", unpacked, "--large", "1"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("a model and 1 data file of"), std::string::npos) << outcome.out;
  EXPECT_EQ(onnx::external_locations(unpacked), std::set<std::string>{"unpacked.onnx_data"});
  EXPECT_EQ(weights_of(unpacked), want);
  ASSERT_TRUE(exits(run_vulcap({"pack", unpacked, "-o", (folder / "again.onnx").string()}), 0));
  EXPECT_EQ(weights_of(folder / "again.onnx"), want);
}

TEST(Pack, ShardsAndAlignsForMapping) {
  TempFolder folder;
  ModelProto model = builder::relu_model();
  for (const int i : {1, 2, 3, 4})
    builder::add_tensor(model.mutable_graph(), "w" + std::to_string(i), TensorProto::FLOAT, {1500})
        ->set_raw_data(floats(1500, float(i == 4 ? 1 : i)));
  const fs::path path = folder / "model.onnx";
  write_file(path, model.SerializeAsString());
  ASSERT_TRUE(exits(
      run_vulcap({"unpack", path.string(), "-o", (folder / "out.onnx").string(), "--shard-size", "15KB"}),
      0));
  // Two of 6000 bytes at 0 and 8192; the third in a shard of its own; the fourth equals the first.
  EXPECT_EQ(fs::file_size(folder / "out.onnx_data"), 8192 + 6000u);
  EXPECT_EQ(fs::file_size(folder / "out.onnx_data_1"), 6000u);
  EXPECT_EQ(weights_of(folder / "out.onnx"), weights_of(path));
}

TEST(Pack, CopiesAFolderWithAllThatItHolds) {
  TempFolder folder;
  fs::create_directory(folder / "in");
  copy_tiny_model(folder / "in");
  write_file(folder / "in" / "expected" / "note.txt", "kept");
  write_file(folder / "in" / ".git" / "config", "left out");
  const std::string in = (folder / "in").string(), out = (folder / "out").string(),
                    back = (folder / "back").string();
  ASSERT_TRUE(exits(run_vulcap({"unpack", in, "-o", out}), 0));
  EXPECT_EQ(read_file(folder / "out" / "config.json"), read_file(folder / "in" / "config.json"));
  EXPECT_EQ(read_file(folder / "out" / "expected" / "note.txt"), "kept");
  EXPECT_FALSE(fs::exists(folder / "out" / ".git"));
  ASSERT_TRUE(exits(run_vulcap({"pack", out, "-o", back}), 0));
  for (const char* name : {"encoder_model.onnx", "decoder_model_merged.onnx"}) {
    EXPECT_TRUE(fs::exists(folder / "out" / (std::string(name) + "_data"))) << name;
    EXPECT_FALSE(fs::exists(folder / "back" / (std::string(name) + "_data"))) << name;
    EXPECT_EQ(weights_of(folder / "back" / name), weights_of(folder / "in" / name)) << name;
  }
}

TEST(Pack, RefusesInOneLineAndLeavesNothing) {
  TempFolder folder;
  const std::string out = (folder / "out.onnx").string();
  const std::string model = (kTinyModel / "encoder_model.onnx").string();
  write_file(folder / "text.onnx", "no model");
  EXPECT_TRUE(refuses(run_vulcap({"pack", model}), 2, {"--output"}));
  EXPECT_TRUE(
      refuses(run_vulcap({"pack", (folder / "none.onnx").string(), "-o", out}), 3, {"file not found"}));
  EXPECT_TRUE(refuses(run_vulcap({"pack", (folder / "text.onnx").string(), "-o", out}), 3, {"text.onnx"}));
  EXPECT_TRUE(refuses(run_vulcap({"unpack", model, "-o", model}), 2, {"another name or folder"}));
  EXPECT_TRUE(refuses(run_vulcap({"unpack", model, "-o", out, "--align", "100"}), 2, {"--align"}));
  EXPECT_TRUE(refuses(run_vulcap({"unpack", model, "-o", out, "--shard-size", "0"}), 2, {"--shard-size"}));
  EXPECT_TRUE(
      refuses(run_vulcap({"pack", model, "-o", "/no/such/folder/out.onnx"}), 1, {"cannot be written"}));
  EXPECT_TRUE(refuses(run_vulcap({"pack", kTinyModel.string(), "-o", folder.path().string()}), 2,
                      {"is there already"}));
  EXPECT_TRUE(refuses(run_vulcap({"pack", folder.path().string(), "-o", (folder / "inside").string()}), 2,
                      {"lies in the folder that is read"}));
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"text.onnx"});
}

TEST(Pack, RefusesDataThatLeadsOutOfTheFolder) {
  TempFolder folder;
  ModelProto model = builder::relu_model();
  TensorProto* tensor = builder::add_tensor(model.mutable_graph(), "w", TensorProto::FLOAT, {2});
  tensor->set_data_location(TensorProto::EXTERNAL);
  auto* entry = tensor->add_external_data();
  entry->set_key("location");
  entry->set_value("../secret");
  write_file(folder / "secret", "12345678");
  write_file(folder / "in" / "model.onnx", model.SerializeAsString());
  const std::string out = (folder / "out").string();
  EXPECT_TRUE(
      refuses(run_vulcap({"pack", (folder / "in" / "model.onnx").string(), "-o", out}), 3, {"\"..\""}));
  EXPECT_TRUE(refuses(run_vulcap({"pack", (folder / "in").string(), "-o", out}), 3, {"\"..\""}));
  EXPECT_FALSE(fs::exists(out));
}

// If(c) { add w1 } else { add w2 }, both equal to w; w3 is the graph's output.
ModelProto model_with_equal_weights() {
  ModelProto model = builder::relu_model();
  ::onnx::GraphProto& graph = *model.mutable_graph();
  builder::set_value(graph.add_input(), "c", TensorProto::BOOL, {});
  builder::set_value(graph.add_output(), "z", TensorProto::FLOAT, {2, -1});
  builder::set_value(graph.add_output(), "w3", TensorProto::FLOAT, {300});
  for (const char* name : {"w", "w3"})
    builder::add_tensor(&graph, name, TensorProto::FLOAT, {300})->set_raw_data(floats(300, 7));
  builder::add_node(&graph, "Add", {"y", "w"}, {"y2"});
  ::onnx::NodeProto* choice = builder::add_node(&graph, "If", {"c"}, {"z"});
  int branch = 0;
  for (const char* name : {"then_branch", "else_branch"}) {
    ::onnx::AttributeProto* attribute = choice->add_attribute();
    attribute->set_name(name);
    attribute->set_type(::onnx::AttributeProto::GRAPH);
    ::onnx::GraphProto& inner = *attribute->mutable_g();
    inner.set_name(name);
    const std::string number = std::to_string(++branch);
    for (const char* stem : {"v", "u"})
      builder::add_tensor(&inner, stem + number, TensorProto::FLOAT, {300})
          ->set_raw_data(floats(300, *stem == 'v' ? 7 : 8));
    builder::add_node(&inner, "Add", {"y2", "v" + number}, {"a" + number});
    builder::add_node(&inner, "Add", {"a" + number, "u" + number}, {"b" + number});
    builder::set_value(inner.add_output(), "b" + number, TensorProto::FLOAT, {2, -1});
  }
  return model;
}

TEST(MergeEqual, OneIsLeftForAllThatReadIt) {
  TempFolder folder;
  const fs::path path = folder / "model.onnx", out = folder / "out.onnx";
  write_file(path, model_with_equal_weights().SerializeAsString());
  const Outcome outcome = run_vulcap({"pack", path.string(), "-o", out.string(), "--merge-equal"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("3 equal initialisers merged"), std::string::npos) << outcome.out;
  std::vector<std::string> names;
  for (const auto& [name, bytes] : weights_of(out)) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"u1", "w", "w3"}));
  const Outcome same =
      run_vulcap({"diff", path.string(), out.string(), "--device", "cpu", "--dim", "x.dim1=300"});
  EXPECT_TRUE(exits(same, 0)) << same.out;
}

}  // namespace
}  // namespace vulcap::testing
