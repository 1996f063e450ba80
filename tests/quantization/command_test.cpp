// vulcap quantize as its user meets it; the embedded model keeps its captions in every form.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/apps/program.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using onnx_test::TempFolder;

const fs::path kModel = fs::path(VULCAP_SOURCE_DIR) / "models" / "scenes-vit-gpt2";
const fs::path kImages = kModel / "expected" / "images";
const fs::path kGraph = fs::path(VULCAP_TEST_DATA) / "quantization" / "graph";

class Captions : public ::testing::TestWithParam<const char*> {};

TEST_P(Captions, StayInAFolderOfItsOwn) {
  TempFolder folder;
  const std::string out = folder / "out", format = GetParam();
  const Outcome made = run_vulcap({"quantize", kModel, "-o", out, "--to", format, "--no-report"});
  ASSERT_TRUE(exits(made, 0)) << made.err;
  EXPECT_EQ(lines_of(made.out).size(), 2u) << made.out;

  const json expected = json::parse(onnx_test::read_file(kImages / "captions.json"));
  Arguments arguments = {"caption", "-m", out, "--dtype", format, "--device", "cpu", "--format", "jsonl"};
  size_t count = 0;
  for (const auto& [name, caption] : expected.items())
    if (count++ % 3 == 0) arguments.push_back(kImages / name);
  const Outcome captions = run_vulcap(arguments);
  ASSERT_TRUE(exits(captions, 0)) << captions.err;
  EXPECT_EQ(captions.err.find("warning"), std::string::npos) << captions.err;
  size_t lines = 0, same = 0;
  for (const std::string& line : lines_of(captions.out)) {
    const json record = json::parse(line);
    const std::string name = fs::path(record.at("file").get<std::string>()).filename();
    ++lines;
    same += record.at("caption") == expected.at(name);
  }
  EXPECT_GE(lines, 40u);
  EXPECT_GE(double(same), 0.98 * double(lines));
}

INSTANTIATE_TEST_SUITE_P(Formats, Captions,
                         ::testing::Values("fp16", "q8", "int8", "uint8", "q4", "q4f16", "bnb4"),
                         [](const auto& test) { return std::string(test.param); });

TEST(QuantizeCommand, NamesTheFileByItsFormat) {
  TempFolder folder;
  const fs::path model = folder / "decoder_model.onnx";
  fs::copy_file(kGraph / "model.onnx", model);
  const Outcome made = run_vulcap({"quantize", model, "--to", "q8", "--exclude", "Gather"});
  ASSERT_TRUE(exits(made, 0)) << made.err;
  EXPECT_TRUE(made.out.starts_with((folder / "decoder_model_quantized.onnx").string() + ": q8, "))
      << made.out;
  EXPECT_TRUE(fs::exists(folder / "decoder_model_quantized.onnx"));
}

TEST(QuantizeCommand, RefusesWhatItCannotDo) {
  TempFolder folder;
  const std::string model = kGraph / "model.onnx", out = folder / "out.onnx";
  EXPECT_TRUE(refuses(run_vulcap({"quantize", model, "-o", out}), 2, {"--to or --module"}));
  EXPECT_TRUE(refuses(run_vulcap({"quantize", model, "-o", out, "--to", "q5"}), 2, {"q5", "bnb4"}));
  EXPECT_TRUE(refuses(run_vulcap({"quantize", model, "-o", out, "--module", "decoder=q4"}), 2, {"one file"}));
  EXPECT_TRUE(refuses(run_vulcap({"quantize", model, "-o", model, "--to", "q4"}), 2, {model}));
  EXPECT_TRUE(refuses(run_vulcap({"quantize", kGraph / "model_q4.onnx", "-o", out, "--to", "q4"}), 2,
                      {"is quantised already"}));
  EXPECT_TRUE(refuses(run_vulcap({"quantize", folder / "none.onnx", "--to", "q4"}), 3, {"file not found"}));
  EXPECT_TRUE(refuses(run_vulcap({"quantize", kModel, "-o", out, "--module", "decoder"}), 2,
                      {"write MODULE=FORMAT"}));
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace vulcap::testing
