// What is decided without a network: names, settings, which files a model needs.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "loader/hub/file_choice.h"
#include "loader/hub/names.h"
#include "loader/hub/settings.h"
#include "runtime/core/error.h"
#include "tests/apps/model_folder.h"

namespace vulcap::testing {
namespace {

using Names = std::vector<std::string>;

TEST(HubNames, RepositoriesAndTheirDtypes) {
  for (const char* good : {"org/model", "gpt2", "Xenova/vit-gpt2-image-captioning", "a_b/c.d-e"})
    EXPECT_TRUE(hub::is_repo_id(good)) << good;
  for (const char* bad : {"", "/", "a/", "/b", "a/b/c", "../x", "a/..", ".a/b", "a-/b", "a/b.git", "a--b/c",
                          "a b/c", "a/b\n", "caf\xc3\xa9/b"})
    EXPECT_FALSE(hub::is_repo_id(bad)) << bad;
  const auto name = hub::parse_model_name("org/model:Q4F16");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repo, "org/model");
  EXPECT_EQ(name->dtype, "q4f16");
  EXPECT_FALSE(hub::parse_model_name("org/model:"));
  EXPECT_FALSE(hub::parse_model_name("/tmp/folder"));
}

TEST(HubNames, NothingLeavesItsFolder) {
  for (const char* bad : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a\\b", "a\nb", "x/"})
    EXPECT_THROW(hub::check_file_name(bad), core::Error) << bad;
  EXPECT_NO_THROW(hub::check_file_name("onnx/model_q4.onnx"));
  for (const char* bad : {"", ".", "..", "a/b", ".hidden", "a b", "\"x\""})
    EXPECT_THROW(hub::check_blob_name(bad), core::Error) << bad;
  EXPECT_THROW(hub::check_revision("../../x"), core::Error);
  EXPECT_NO_THROW(hub::check_revision("refs/pr/1"));
  EXPECT_EQ(hub::url_segment("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(hub::url_path("onnx/a b?.onnx"), "onnx/a%20b%3F.onnx");
}

hub::Settings settings_of(std::map<std::string, std::string> variables) {
  variables.emplace("HOME", "/home/me");
  return hub::read_settings([&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(HubSettings, FoldersAsPythonFindsThem) {
  EXPECT_EQ(settings_of({}).cache, "/home/me/.cache/huggingface/hub");
  EXPECT_EQ(settings_of({{"XDG_CACHE_HOME", "/x"}}).cache, "/x/huggingface/hub");
  EXPECT_EQ(settings_of({{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/hf"}}).cache, "/home/me/hf/hub");
  EXPECT_EQ(settings_of({{"HF_HOME", "/hf"}, {"HF_HUB_CACHE", "/cache"}}).cache, "/cache");
  EXPECT_EQ(settings_of({{"HUGGINGFACE_HUB_CACHE", "/old"}}).cache, "/old");
}

TEST(HubSettings, EndpointOfflineAndTimes) {
  EXPECT_TRUE(settings_of({}).endpoint.starts_with("https://"));
  EXPECT_EQ(settings_of({{"HF_ENDPOINT", "http://localhost:1/"}}).endpoint, "http://localhost:1");
  EXPECT_THROW(settings_of({{"HF_ENDPOINT", "localhost"}}), core::Error);
  EXPECT_THROW(settings_of({{"HF_ENDPOINT", "file:///etc"}}), core::Error);
  EXPECT_FALSE(settings_of({{"HF_HUB_OFFLINE", "0"}}).offline);
  EXPECT_TRUE(settings_of({{"HF_HUB_OFFLINE", "1"}}).offline);
  EXPECT_TRUE(settings_of({{"HF_HUB_OFFLINE", "true"}}).offline);
  EXPECT_EQ(settings_of({{"HF_HUB_DOWNLOAD_TIMEOUT", "3"}}).silence_timeout.count(), 3);
  EXPECT_THROW(settings_of({{"HF_HUB_DOWNLOAD_TIMEOUT", "3s"}}), core::Error);
}

TEST(HubSettings, TokenFromTheVariableThenTheFile) {
  const TempFolder folder;
  write_file(folder / "token", " stored\n");
  write_file(folder / "other", "named");
  const std::string home = folder.path();
  EXPECT_EQ(settings_of({{"HF_HOME", home}}).token, "stored");
  EXPECT_EQ(settings_of({{"HF_HOME", home}, {"HF_TOKEN_PATH", home + "/other"}}).token, "named");
  EXPECT_EQ(settings_of({{"HF_HOME", home}, {"HF_TOKEN", "given"}}).token, "given");
  EXPECT_EQ(settings_of({{"HF_HOME", home}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}}).token, "");
}

Names chosen(const Names& names, const std::string& dtype) {
  return hub::choose_files(names, loader::DtypeRequest(dtype));
}

// As repositories of the onnx-community look.
const Names kCaptioner = {".gitattributes",
                          "README.md",
                          "config.json",
                          "flax_model.msgpack",
                          "generation_config.json",
                          "merges.txt",
                          "model.safetensors",
                          "model.safetensors.index.json",
                          "onnx/decoder_model.onnx",
                          "onnx/decoder_model_fp16.onnx",
                          "onnx/decoder_model_merged.onnx",
                          "onnx/decoder_model_merged_fp16.onnx",
                          "onnx/decoder_model_merged_quantized.onnx",
                          "onnx/decoder_with_past_model.onnx",
                          "onnx/encoder_model.onnx",
                          "onnx/encoder_model.onnx_data",
                          "onnx/encoder_model_fp16.onnx",
                          "onnx/encoder_model_quantized.onnx",
                          "onnx/quantize_config.json",
                          "preprocessor_config.json",
                          "pytorch_model.bin",
                          "requirements.txt",
                          "tokenizer.json"};
const Names kCommon = {"config.json", "generation_config.json", "merges.txt", "preprocessor_config.json",
                       "tokenizer.json"};

Names with_common(const Names& graphs) {
  Names all = kCommon;
  all.insert(all.end(), graphs.begin(), graphs.end());
  std::sort(all.begin(), all.end());
  return all;
}

TEST(HubFileChoice, TheDtypesFilesAndNoOthers) {
  EXPECT_EQ(chosen(kCaptioner, "auto"),
            with_common({"onnx/decoder_model_merged.onnx", "onnx/encoder_model.onnx",
                         "onnx/encoder_model.onnx_data"}));
  EXPECT_EQ(chosen(kCaptioner, "fp16"),
            with_common({"onnx/decoder_model_merged_fp16.onnx", "onnx/encoder_model_fp16.onnx"}));
  EXPECT_EQ(chosen(kCaptioner, "q8"),
            with_common({"onnx/decoder_model_merged_quantized.onnx", "onnx/encoder_model_quantized.onnx"}));
  EXPECT_EQ(chosen(kCaptioner, "encoder_model=fp16,decoder_model_merged=q8,decoder_model=fp16"),
            with_common({"onnx/decoder_model_fp16.onnx", "onnx/decoder_model_merged_quantized.onnx",
                         "onnx/encoder_model_fp16.onnx"}));
}

TEST(HubFileChoice, HalfPrecisionFallsBackOnFp32) {
  EXPECT_EQ(chosen({"config.json", "onnx/model.onnx", "onnx/model_q4.onnx"}, "fp16"),
            (Names{"config.json", "onnx/model.onnx"}));
}

TEST(HubFileChoice, DerivedGraphsStayBehind) {
  EXPECT_EQ(
      chosen({"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "config.json",
              "onnx/model.onnx", "onnx/model_O2.onnx", "onnx/model_qint8_avx512.onnx", "openvino/model.json"},
             "auto"),
      (Names{"1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "config.json",
             "onnx/model.onnx"}));
}

TEST(HubFileChoice, SaysWhatThereIs) {
  try {
    chosen(kCaptioner, "q4");
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    EXPECT_EQ(error.message(), "no .onnx file of dtype q4; there are fp16, fp32, q8");
  }
  EXPECT_THROW(chosen({"config.json", "model.safetensors"}, "auto"), core::Error);
}

}  // namespace
}  // namespace vulcap::testing
