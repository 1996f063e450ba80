// Model folders in fewer bits: which files are written, what they are called, and that the captions stay.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "loader/conversion/quantization/quantize.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::quantization {
namespace {

namespace fs = std::filesystem;
using namespace onnx_test;

const fs::path kGraph = fs::path(VULCAP_TEST_DATA) / "quantization" / "graph";

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    write_file(model_ / "config.json", "{}");
    fs::create_directories(model_ / "onnx");
    for (const char* name : {"encoder_model.onnx", "decoder_model.onnx"})
      fs::copy_file(kGraph / "model.onnx", model_ / "onnx" / name);
    write_file(model_ / "onnx" / "embed_tokens.onnx", relu_model().SerializeAsString());
  }

  static std::set<std::string> files(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) names.insert(entry.path().lexically_relative(folder).string());
    return names;
  }

  TempFolder folder_;
  fs::path model_ = folder_ / "model";
  fs::path out_ = folder_ / "out";
  const std::set<std::string> before_ = {"config.json", "onnx/encoder_model.onnx", "onnx/decoder_model.onnx",
                                         "onnx/embed_tokens.onnx"};
};

TEST_F(Folder, GetsFilesBesideItsOwn) {
  const auto results = quantize_folder(model_, "", {.to = Format::kQ8});
  EXPECT_EQ(results.size(), 3u);
  std::set<std::string> wanted = before_;
  wanted.insert({"onnx/encoder_model_quantized.onnx", "onnx/decoder_model_quantized.onnx",
                 "onnx/embed_tokens_quantized.onnx"});
  EXPECT_EQ(files(model_), wanted);
}

TEST_F(Folder, BecomesAFolderOfItsOwnByModule) {
  const auto results = quantize_folder(
      model_, out_, {.to = {}, .modules = {{"decoder", Format::kQ4}, {"encoder_model", Format::kFp16}}});
  EXPECT_EQ(results.size(), 2u);
  EXPECT_EQ(files(out_), (std::set<std::string>{"config.json", "onnx/encoder_model_fp16.onnx",
                                                "onnx/decoder_model_q4.onnx", "onnx/embed_tokens.onnx"}));
  EXPECT_EQ(files(model_), before_);
  for (const FileResult& result : results) EXPECT_TRUE(fs::exists(result.out)) << result.out;
}

TEST_F(Folder, StartsFromFullPrecisionWhateverElseIsThere) {
  quantize_folder(model_, "", {.to = Format::kFp16});
  for (const FileResult& result : quantize_folder(model_, "", {.to = Format::kInt8}))
    EXPECT_EQ(result.in.stem().string().find("_fp16"), std::string::npos);
}

TEST_F(Folder, LeavesNothingOfWhatFailed) {
  write_file(model_ / "onnx" / "text_model.onnx", "no model");
  std::set<std::string> wanted = before_;
  wanted.insert("onnx/text_model.onnx");
  EXPECT_NE(error_of([&] { quantize_folder(model_, "", {.to = Format::kQ4}); }).find("text_model.onnx"),
            std::string::npos);
  EXPECT_EQ(files(model_), wanted);
  EXPECT_NE(error_of([&] { quantize_folder(model_, out_, {.to = Format::kQ4}); }), "");
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Folder, RefusesWhatDoesNotFit) {
  const auto refusal = [&](const FolderOptions& options) {
    const std::string message = error_of([&] { quantize_folder(model_, "", options); });
    EXPECT_EQ(files(model_), before_) << message;
    return message;
  };
  EXPECT_NE(
      refusal({.to = {}, .modules = {{"vision", Format::kQ4}}}).find("no file belongs to module vision"),
      std::string::npos);
  EXPECT_NE(refusal({.to = {}, .modules = {{"decoder", Format::kQ4}, {"decoder", Format::kFp16}}}), "");
  EXPECT_NE(refusal({.to = Format::kQ4, .options = {.exclude = {"nowhere"}}}).find("is called nowhere"),
            std::string::npos);
  fs::remove(model_ / "onnx" / "encoder_model.onnx");
  fs::copy_file(kGraph / "model_q4.onnx", model_ / "onnx" / "encoder_model_q4.onnx");
  EXPECT_NE(error_of([&] { quantize_folder(model_, "", {.to = Format::kInt8}); }).find("starts from fp32"),
            std::string::npos);
}

}  // namespace
}  // namespace vulcap::quantization
