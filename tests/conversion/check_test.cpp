// vulcap check: what is wrong with a model is found and named, and nothing is found in models that are right.
#include "loader/conversion/check.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::testing {
namespace {

namespace builder = onnx_test;
using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::TensorProto;

struct Fault {
  const char* name;
  std::function<void(ModelProto&)> make;
  std::vector<std::string> parts;  // of what is found
  bool is_error = true;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

GraphProto& graph_of(ModelProto& model) { return *model.mutable_graph(); }

AttributeProto* add_attribute(ModelProto& model, const char* name, AttributeProto::AttributeType type) {
  AttributeProto* attribute = graph_of(model).mutable_node(0)->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

void add_external(ModelProto& model, const char* location, const char* length) {
  TensorProto* tensor = builder::add_tensor(&graph_of(model), "w", TensorProto::FLOAT, {4});
  tensor->set_data_location(TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair{"location", location}, std::pair{"length", length}}) {
    auto* entry = tensor->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
}

const std::vector<Fault> kFaults = {
    {"no_ir_version", [](ModelProto& m) { m.clear_ir_version(); }, {"IR version"}},
    {"no_opset", [](ModelProto& m) { m.clear_opset_import(); }, {"opset"}},
    {"opset_twice",
     [](ModelProto& m) { m.add_opset_import()->set_version(16); },
     {"is declared twice, as 17 and 16"}},
    {"domain_without_opset",
     [](ModelProto& m) { graph_of(m).mutable_node(0)->set_domain("com.microsoft"); },
     {"node 0", "no opset of \"com.microsoft\""}},
    {"dangling",
     [](ModelProto& m) { graph_of(m).mutable_node(0)->set_input(0, "gone"); },
     {"reads \"gone\""}},
    {"out_of_order",
     [](ModelProto& m) {
       builder::add_node(&graph_of(m), "Relu", {"x"}, {"later"});
       graph_of(m).mutable_node(0)->set_input(0, "later");
     },
     {"node 0", "reads \"later\" of node 1", "optimize --level 0"},
     false},
    {"output_of_nothing",
     [](ModelProto& m) { graph_of(m).mutable_node(0)->set_output(0, "other"); },
     {"output \"y\" is not produced"}},
    {"name_twice",
     [](ModelProto& m) { builder::add_node(&graph_of(m), "Relu", {"x"}, {"y"}); },
     {"node 1", "another value of the graph"}},
    {"no_operator", [](ModelProto& m) { graph_of(m).mutable_node(0)->clear_op_type(); }, {"no operator"}},
    {"input_without_type",
     [](ModelProto& m) { graph_of(m).mutable_input(0)->clear_type(); },
     {"input \"x\" has no type"}},
    {"no_outputs", [](ModelProto& m) { graph_of(m).clear_output(); }, {"no outputs"}},
    {"attribute_twice",
     [](ModelProto& m) {
       for (const int value : {1, 2}) add_attribute(m, "axis", AttributeProto::INT)->set_i(value);
     },
     {"attribute \"axis\" is given twice"}},
    {"attribute_without_type",
     [](ModelProto& m) { add_attribute(m, "axis", AttributeProto::UNDEFINED)->set_i(1); },
     {"\"axis\" has no type"}},
    {"attribute_without_graph",
     [](ModelProto& m) { add_attribute(m, "body", AttributeProto::GRAPH); },
     {"\"body\" holds no graph"}},
    {"subgraph_dangling",
     [](ModelProto& m) {
       GraphProto* body = add_attribute(m, "body", AttributeProto::GRAPH)->mutable_g();
       builder::add_node(body, "Relu", {"nowhere"}, {"inner"});
     },
     {"in body of node 0", "reads \"nowhere\""}},
    {"tensor_too_short",
     [](ModelProto& m) {
       builder::add_tensor(&graph_of(m), "w", TensorProto::FLOAT, {4})->set_raw_data("1234");
     },
     {"tensor \"w\"", "need 16 bytes but 4"}},
    {"unknown_type",
     [](ModelProto& m) { builder::add_tensor(&graph_of(m), "w", 99, {4})->set_raw_data("1234"); },
     {"tensor \"w\"", "data type 99"}},
    {"data_missing", [](ModelProto& m) { add_external(m, "none", "16"); }, {"\"none\" cannot be found"}},
    {"data_short", [](ModelProto& m) { add_external(m, "short", "16"); }, {"\"short\" is too short"}},
    {"data_length",
     [](ModelProto& m) { add_external(m, "short", "8"); },
     {"needs 16 bytes but its length is 8"}},
    {"data_outside", [](ModelProto& m) { add_external(m, "../short", "16"); }, {"\"..\""}},
    {"declared_wrongly",
     [](ModelProto& m) {
       graph_of(m).mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
           TensorProto::INT64);
     },
     {"value \"y\" is declared i64 but comes out f32"}},
    {"declared_of_another_size",
     [](ModelProto& m) {
       auto* shape = graph_of(m).mutable_output(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
       shape->mutable_dim(1)->set_dim_value(9);
     },
     {"value \"y\" is declared f32[2,9] but comes out f32[2,4]"},
     false},
    {"initialiser_of_no_use",
     [](ModelProto& m) {
       builder::add_tensor(&graph_of(m), "w", TensorProto::FLOAT, {1})->set_raw_data("1234");
     },
     {"1 initialisers are read by nothing (4 bytes)"},
     false},
    {"node_of_no_use",
     [](ModelProto& m) { builder::add_node(&graph_of(m), "Relu", {"x"}, {"unread"}); },
     {"1 nodes compute what nothing reads"},
     false},
};

class CheckFault : public ::testing::TestWithParam<Fault> {};

TEST_P(CheckFault, IsFound) {
  TempFolder folder;
  ModelProto model = builder::relu_model();
  GetParam().make(model);
  write_file(folder / "short", "12345678");
  write_file(folder / "model.onnx", model.SerializeAsString());
  const Outcome outcome =
      run_vulcap({"check", (folder / "model.onnx").string(), "--device", "cpu", "--format", "json"});
  EXPECT_TRUE(exits(outcome, GetParam().is_error ? 3 : 0)) << outcome.out;
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report.at("files").at(0).at("valid"), !GetParam().is_error);
  bool found = false;
  for (const auto& finding : report.at("files").at(0).at("findings")) {
    const std::string text = finding.at("text");
    const bool fits =
        std::all_of(GetParam().parts.begin(), GetParam().parts.end(),
                    [&](const std::string& part) { return text.find(part) != std::string::npos; });
    found |= fits && finding.at("severity") == (GetParam().is_error ? "error" : "warning");
  }
  EXPECT_TRUE(found) << outcome.out;
}

INSTANTIATE_TEST_SUITE_P(Table, CheckFault, ::testing::ValuesIn(kFaults),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Check, FindsSeveralFaultsAtOnce) {
  TempFolder folder;
  ModelProto model = builder::relu_model();
  graph_of(model).mutable_node(0)->set_input(0, "gone");
  builder::add_tensor(&graph_of(model), "w", TensorProto::FLOAT, {4})->set_raw_data("1234");
  model.clear_ir_version();
  write_file(folder / "model.onnx", model.SerializeAsString());
  size_t errors = 0;
  for (const auto& finding : conversion::check_structure(folder / "model.onnx").findings)
    errors += size_t(finding.is_error);
  EXPECT_EQ(errors, 3u);
}

TEST(Check, NamesWhatIsNoModel) {
  TempFolder folder;
  for (const auto& [text, part] : {std::pair{"no model", "damaged"},
                                   std::pair{"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"},
                                   std::pair{"GGUF....", "GGUF file"}, std::pair{"", "is empty"}}) {
    write_file(folder / "model.onnx", text);
    const Outcome outcome = run_vulcap({"check", (folder / "model.onnx").string(), "--device", "cpu"});
    EXPECT_TRUE(exits(outcome, 3));
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
  }
  EXPECT_TRUE(refuses(run_vulcap({"check", folder.path().string() + "/empty"}), 3, {"file not found"}));
}

TEST(Check, TellsWhatWouldRunOnWhat) {
  const Outcome outcome = run_vulcap({"check", kTinyModel.string(), "--device", "cpu"});
  ASSERT_TRUE(exits(outcome, 0)) << outcome.out;
  for (const char* part :
       {"encoder_model.onnx: valid, runs", "decoder_model_merged.onnx: valid, runs", "runs on cpu",
        "kernel calls, 0 of them on the CPU by fallback", "vulcap caption: can be loaded"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
}

TEST(Check, TellsWhatIsLacking) {
  TempFolder folder;
  ModelProto model = builder::relu_model();
  graph_of(model).mutable_node(0)->set_op_type("Rulu");
  write_file(folder / "model.onnx", model.SerializeAsString());
  const Outcome outcome = run_vulcap({"check", folder.path().string(), "--device", "cpu"});
  EXPECT_TRUE(exits(outcome, 3));
  EXPECT_NE(outcome.out.find("valid, does not run"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("operators that are not supported: ai.onnx::Rulu (opset 17"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("no config.json"), std::string::npos) << outcome.out;
}

// Whatever exporters and quantisers wrote holds together.
TEST(Check, FindsNoErrorInGoodModels) {
  size_t models = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kTestData)) {
    if (entry.path().extension() != ".onnx" || entry.path().parent_path() == kTestData / "apps") continue;
    ++models;
    for (const conversion::Finding& finding : conversion::check_structure(entry.path()).findings)
      EXPECT_FALSE(finding.is_error) << entry.path() << ": " << finding.text;
  }
  EXPECT_GT(models, 50u);
}

}  // namespace
}  // namespace vulcap::testing
