// vulcap merge-lora of a whole model folder.
#include <gtest/gtest.h>

#include "loader/onnx/model.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/lora/adapter_files.h"

namespace vulcap::testing {
namespace {

// Of the tiny ViT-GPT2, as PEFT names its modules: each adds 2 to every number of its weight.
const std::vector<std::pair<std::string, std::vector<int64_t>>> kModules = {
    {"encoder.encoder.layer.0.attention.attention.query", {48, 48}},
    {"decoder.transformer.h.1.attn.c_proj", {48, 48}},
};

fs::path write_adapter(const fs::path& folder,
                       const std::vector<std::pair<std::string, std::vector<int64_t>>>& modules) {
  std::vector<lora_test::Filled> tensors;
  for (const auto& [module, shape] : modules)
    for (const lora_test::Filled& factor : lora_test::factors(module, shape[0], shape[1]))
      tensors.push_back(factor);
  return lora_test::write_adapter(folder, {{"target_modules", {"query", "c_proj", "other"}}},
                                  lora_test::safetensors_bytes(tensors));
}

// How many weights of the outermost graph, or of its branches, differ; each must be larger by 2.
size_t changed(const onnx::GraphDef& before, const onnx::GraphDef& after) {
  size_t count = 0;
  EXPECT_EQ(before.initializers.size(), after.initializers.size());
  for (size_t i = 0; i < before.initializers.size(); ++i) {
    const core::Tensor &old_one = before.initializers[i].tensor, &new_one = after.initializers[i].tensor;
    if (old_one.size() == 0 || old_one.at_f64(0) == new_one.at_f64(0)) continue;
    ++count;
    for (size_t k = 0; k < old_one.size(); ++k)
      EXPECT_NEAR(new_one.at_f64(k), old_one.at_f64(k) + 2, 1e-5) << before.initializers[i].name;
  }
  return count;
}

class MergeFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "in");
    copy_tiny_model(folder_ / "in");
    write_file(folder_ / "in" / "expected" / "pipeline.json", "{}");
  }
  Outcome run(const fs::path& adapter) {
    return run_vulcap(
        {"merge-lora", (folder_ / "in").string(), adapter.string(), "-o", (folder_ / "out").string()});
  }

  TempFolder folder_;
};

TEST_F(MergeFolder, ChangesEveryFileThatHasModules) {
  const Outcome outcome = run(write_adapter(folder_ / "in" / "adapter", kModules));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("encoder_model.onnx: 1 modules merged, 1 weights changed"), std::string::npos)
      << outcome.out;
  for (const char* name : {"encoder_model.onnx", "decoder_model_merged.onnx"})
    EXPECT_EQ(changed(onnx::read_model(folder_ / "in" / name).graph,
                      onnx::read_model(folder_ / "out" / name).graph),
              1u)
        << name;
  EXPECT_TRUE(fs::exists(folder_ / "out" / "config.json"));
  EXPECT_FALSE(fs::exists(folder_ / "out" / "expected")) << "these are answers without the adapter";
  EXPECT_FALSE(fs::exists(folder_ / "out" / "adapter")) << "it would be merged again";
}

TEST_F(MergeFolder, LeavesOutQuantisedVariantsOfWhatIsMerged) {
  fs::copy_file(folder_ / "in" / "encoder_model.onnx", folder_ / "in" / "encoder_model_q4.onnx");
  const Outcome outcome = run(write_adapter(folder_ / "adapter", kModules));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.err.find("encoder_model_q4.onnx is left out: it is quantised"), std::string::npos)
      << outcome.err;
  EXPECT_FALSE(fs::exists(folder_ / "out" / "encoder_model_q4.onnx"));
}

TEST_F(MergeFolder, RefusesWhatDoesNotFitAndLeavesNothing) {
  auto modules = kModules;
  modules.push_back({"decoder.transformer.h.7.attn.other", {48, 48}});
  EXPECT_TRUE(
      refuses(run(write_adapter(folder_ / "more", modules)), 3, {"no weights of these modules", "h.7"}));
  modules = {{kModules[0].first, {48, 50}}};
  EXPECT_TRUE(refuses(run(write_adapter(folder_ / "larger", modules)), 3, {"is it the right adapter?"}));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST(MergeQuantised, IsRefusedWithTheReason) {
  TempFolder folder;
  const fs::path model = fs::path(VULCAP_SOURCE_DIR) / "models" / "scenes-vit-gpt2";
  fs::create_directory(folder / "in");
  for (const auto& entry : fs::recursive_directory_iterator(model)) {
    const std::string name = entry.path().filename().string();
    if (name == "config.json" || name.find("_q4.onnx") != std::string::npos)
      fs::copy_file(entry.path(), folder / "in" / name);
  }
  const fs::path adapter =
      write_adapter(folder / "adapter", {{"encoder.encoder.layer.0.attention.attention.query", {128, 128}}});
  EXPECT_TRUE(refuses(
      run_vulcap({"merge-lora", (folder / "in").string(), adapter.string(), "-o", (folder / "out").string()}),
      3, {"is quantised (MatMulNBits)", "merge into the fp32 or fp16 model"}));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace vulcap::testing
