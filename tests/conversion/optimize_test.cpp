// Files that vulcap optimize writes: the same outputs at every level, the same plan when they are read back,
// and one clear line for what cannot be.
#include "loader/conversion/optimize/optimize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "loader/onnx/import.h"
#include "runtime/core/error.h"
#include "runtime/passes/pass.h"
#include "runtime/passes/specialise.h"
#include "runtime/plan/plan.h"
#include "tests/apps/program.h"
#include "tests/session/tensors.h"

namespace vulcap::conversion {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = VULCAP_TEST_DATA;

class OptimizeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::temp_directory_path() / ("vulcap_" + std::string(info->name()) + "_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Optimized optimize(const fs::path& model, int level) const {
    OptimizeOptions options;
    options.level = OptimizeLevel(level);
    return optimize_file(model, folder_ / "out.onnx", options);
  }

  fs::path folder_;
};

graph::Graph specialised(const graph::Graph& graph, bool flag, int64_t side) {
  std::map<std::string, passes::InputSpec> specs;
  const auto sizes = loader::with_usual_sizes(
      graph, {{core::intern_symbol("height"), side}, {core::intern_symbol("width"), side}}, {});
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    passes::InputSpec& spec = specs[value.name];
    spec.shape = passes::bind_symbols(*value.shape, sizes);
    if (value.dtype == core::DType::kBool)
      spec.constant = core::Tensor::from<uint8_t>(core::DType::kBool, {1}, {uint8_t(flag)});
  }
  return passes::specialise(graph, specs);
}

// Of the side of images, the first that the model takes.
graph::Graph specialised(const graph::Graph& graph, bool flag) {
  for (const int64_t side : {224, 96, 64, 48}) {
    try {
      return specialised(graph, flag, side);
    } catch (const core::Error&) {
      continue;
    }
  }
  return specialised(graph, flag, 32);
}

// Kernels with their variants and parameters, whatever their order.
std::vector<std::string> calls_of(const graph::Graph& graph, bool flag) {
  graph::Graph bound = specialised(graph, flag);
  passes::run_passes(bound);
  const plan::Plan plan = plan::make_plan(std::move(bound), test::cpu_device().backend());
  std::vector<std::string> calls;
  for (const ops::KernelCall& call : plan.calls) {
    std::string text(ops::kernels()[call.kernel].name);
    text += "," + std::to_string(int(call.variant.storage)) + ":";
    for (size_t i = 0; i < call.param_bytes; ++i) text += " " + std::to_string(int(call.params[i]));
    calls.push_back(text);
  }
  std::sort(calls.begin(), calls.end());
  return calls;
}

// Models of the golden set in which every kind of graph occurs: encoders, decoders with and without a cache,
// merged ones, text models with masks, speech, quantised and fp16 ones.
std::vector<fs::path> models() {
  std::vector<fs::path> found;
  for (const char* name :
       {"vit-gpt2/encoder_model.onnx", "vit-gpt2/decoder_model_merged.onnx", "vit-gpt2/decoder_model.onnx",
        "vit-gpt2-old/decoder_model.onnx", "decoders/blip.onnx", "decoders/florence2.onnx",
        "decoders/git.onnx", "decoders/phi.onnx", "decoders/smollm.onnx"})
    if (fs::exists(kGolden / name)) found.push_back(kGolden / name);
  for (const char* family :
       {"bert-feature-extraction", "whisper", "t5", "clip-zero-shot", "deberta-v2-zero-shot", "florence2",
        "moondream", "resnet-image-classification", "prefix-vlm-cached"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kGolden / "families" / family))
      if (entry.path().extension() == ".onnx" && entry.path().string().find("expected") == std::string::npos)
        found.push_back(entry.path());
  }
  return found;
}

// Calls that one list has and the other has not, where equal ones may have become one in `after`.
std::string difference(const std::vector<std::string>& after, const std::vector<std::string>& before) {
  std::string text;
  for (const std::string& call : after) {
    if (std::count(after.begin(), after.end(), call) > std::count(before.begin(), before.end(), call))
      text += "+ " + call + "\n";
  }
  for (const std::string& call : before)
    if (!std::binary_search(after.begin(), after.end(), call)) text += "- " + call + "\n";
  return text;
}

TEST_F(OptimizeTest, EveryLevelKeepsOutputsAndPlan) {
  for (const fs::path& model : models()) {
    SCOPED_TRACE(model.string());
    const graph::Graph before = onnx::load_graph(model);
    for (const int level : {0, 1, 2}) {
      SCOPED_TRACE(level);
      const Optimized result = optimize(model, level);  // throws where outputs differ
      EXPECT_GT(result.check.runs, 0);
      EXPECT_LE(result.after.nodes, result.before.nodes);
      EXPECT_LE(result.after.bytes, result.before.bytes + (1 << 20));
      const graph::Graph after = onnx::load_graph(folder_ / "out.onnx");
      for (const bool flag : {false, true})
        EXPECT_EQ(difference(calls_of(after, flag), calls_of(before, flag)), "");
    }
  }
}

TEST_F(OptimizeTest, OnnxRuntimeGivesTheSameAnswers) {
  const char* python = std::getenv("VULCAP_EXPORT_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "VULCAP_EXPORT_PYTHON names no interpreter with onnxruntime";
  testing::Arguments arguments{VULCAP_SOURCE_DIR "/tests/conversion/same_answers.py"};
  for (const fs::path& model : models()) {
    for (const int level : {1, 2}) {
      const fs::path out = folder_ / (std::to_string(arguments.size()) + ".onnx");
      OptimizeOptions options;
      options.level = OptimizeLevel(level);
      options.check = false;
      optimize_file(model, out, options);
      arguments.insert(arguments.end(), {model.string(), out.string()});
    }
  }
  const auto outcome = testing::ChildProcess(python, arguments, {}).wait(std::chrono::seconds(120));
  EXPECT_TRUE(testing::exits(outcome, 0)) << outcome.out;
}

TEST_F(OptimizeTest, WhatIsOptimisedStaysAsItIs) {
  const fs::path model = kGolden / "vit-gpt2/decoder_model_merged.onnx";
  const Optimized first = optimize(model, 2);
  OptimizeOptions options;
  const Optimized again = optimize_file(folder_ / "out.onnx", folder_ / "again.onnx", options);
  EXPECT_EQ(again.after.operators, first.after.operators);
}

// Every operator, at its own opset, on the inputs that come with it.
TEST_F(OptimizeTest, TestsOfTheOnnxProjectKeepTheirOutputs) {
  int tried = 0, count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(VULCAP_ONNX_TESTS) / "node")) {
    const fs::path model = entry.path() / "model.onnx", set = entry.path() / "test_data_set_0";
    if (++count % 4 != 0 || !fs::exists(model)) continue;
    SCOPED_TRACE(model.string());
    OptimizeOptions options;
    options.inputs.given = {set.string()};
    try {
      onnx::load_graph(model);
    } catch (const core::Error&) {
      continue;  // not supported at all
    }
    try {
      optimize_file(model, folder_ / "out.onnx", options);
      ++tried;
    } catch (const core::Error& error) {
      const std::string text = error.what();
      const bool refused = text.find("cannot be written") != std::string::npos ||
                           text.find("export the model again") != std::string::npos ||
                           text.find("cannot be compared") != std::string::npos;
      EXPECT_TRUE(refused) << text;
    }
  }
  EXPECT_GT(tried, 200);
}

TEST_F(OptimizeTest, APreludeIsCutOffAndFoundAgain) {
  const fs::path out = folder_ / "model";
  const auto made =
      testing::run_vulcap({"optimize", (kGolden / "vit-gpt2").string(), "-o", out.string(), "--level", "3"});
  ASSERT_TRUE(testing::exits(made, 0));
  EXPECT_TRUE(fs::exists(out / "decoder_model_merged_prelude.onnx"));
  EXPECT_NE(made.out.find("run once an image"), std::string::npos) << made.out;
  fs::copy(kGolden / "images", folder_ / "images");  // where its expected answers look for them
  EXPECT_TRUE(testing::exits(testing::run_vulcap({"verify", out.string(), "--device", "cpu"}), 0));
}

TEST_F(OptimizeTest, ATableSaysWhatChanged) {
  const fs::path out = folder_ / "encoder.onnx";
  const auto outcome = testing::run_vulcap(
      {"optimize", (kGolden / "vit-gpt2/encoder_model.onnx").string(), "-o", out.string()});
  ASSERT_TRUE(testing::exits(outcome, 0));
  for (const char* part :
       {"before", "after", "nodes", "initialisers", "LayerNormalization", "outputs: equal in"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << outcome.out;
}

TEST_F(OptimizeTest, BadRequestsAreOneLineAndLeaveNothing) {
  const std::string model = (kGolden / "vit-gpt2/encoder_model.onnx").string();
  const std::string text = (folder_ / "no.onnx").string(), out = (folder_ / "out.onnx").string();
  std::ofstream(text) << "not an ONNX file";
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "optimize");
    return testing::run_vulcap(arguments);
  };
  EXPECT_TRUE(testing::refuses(run({text, "-o", out}), 3, {text}));
  EXPECT_TRUE(testing::refuses(run({model, "-o", out, "--opset", "12"}), 2, {"--opset", "18 to 25"}));
  EXPECT_TRUE(testing::refuses(run({model, "-o", out, "--level", "0", "--opset", "20"}), 2, {"level 0"}));
  EXPECT_TRUE(testing::refuses(run({model, "-o", out, "--level", "7"}), 2, {"--level"}));
  EXPECT_TRUE(testing::refuses(run({model, "-o", (folder_ / "no" / "out.onnx").string()}), 1,
                               {"there is no folder"}));
  fs::copy_file(model, out);
  EXPECT_TRUE(testing::refuses(run({out, "-o", out}), 2, {out}));
  EXPECT_EQ(fs::file_size(out), fs::file_size(model));
  fs::remove(out);
  EXPECT_TRUE(testing::refuses(run({model, "-o", out, "--inputs", "nothing=x.npy"}), 2, {"--no-check"}));
  EXPECT_FALSE(fs::exists(out));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace vulcap::conversion
