#include "loader/model_dir.h"

#include <gtest/gtest.h>

#include "tests/onnx/model_builder.h"

namespace vulcap::loader {
namespace {

using namespace onnx_test;
using Names = std::vector<std::string>;
using FloatOutput = std::pair<std::string, size_t>;  // name, rank

std::string graph_bytes(const Names& inputs, const std::vector<FloatOutput>& outputs) {
  proto::ModelProto model = empty_model();
  for (const auto& name : inputs) {
    set_value(model.mutable_graph()->add_input(), name, proto::TensorProto::INT64, {-1, -1});
  }
  for (const auto& [name, rank] : outputs) {
    set_value(model.mutable_graph()->add_output(), name, proto::TensorProto::FLOAT,
              std::vector<int64_t>(rank, -1));
  }
  return model.SerializeAsString();
}

std::string encoder() { return graph_bytes({"pixel_values"}, {{"last_hidden_state", 3}}); }
std::string decoder() { return graph_bytes({"input_ids", "encoder_hidden_states"}, {{"logits", 3}}); }
std::string with_past() {
  return graph_bytes({"input_ids", "encoder_hidden_states", "past_key_values.0.key"}, {{"logits", 3}});
}
std::string merged() {
  return graph_bytes({"input_ids", "encoder_hidden_states", "past_key_values.0.key", "use_cache_branch"},
                     {{"logits", 3}});
}

class ModelDir : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& bytes) { write_file(folder_ / name, bytes); }
  std::string found(const std::optional<OnnxFile>& file) const {
    return file ? file->path.lexically_relative(folder_.path()).string() : "-";
  }
  struct Found {
    OnnxFile encoder;
    std::optional<OnnxFile> decoder_merged, decoder, decoder_with_past;
  };
  Found find(const std::string& dtype = "auto") const {
    const ModelFiles files(folder_.path(), dtype);
    const OnnxFile encoder = files.require(image_encoder_role());
    const DecoderFiles decoders = files.require_decoders({.cross_attention = true});
    return {encoder, decoders.merged, decoders.decoder, decoders.with_past};
  }
  std::string error(const std::string& dtype = "auto") const {
    return error_of([&] { find(dtype); });
  }
  void expect_error(const std::string& part, const std::string& dtype = "auto") const {
    EXPECT_NE(error(dtype).find(part), std::string::npos) << error(dtype);
    EXPECT_TRUE(error(dtype).starts_with(folder_.path().string())) << error(dtype);
  }
  TempFolder folder_;
};

TEST_F(ModelDir, ListsVariants) {
  for (const char* name :
       {"model.onnx", "onnx/model_fp16.onnx", "onnx/decoder_model_merged_quantized.onnx",
        "onnx/model_int8.onnx", "onnx/model_uint8.onnx", "onnx/model_q4.onnx", "onnx/model_q4f16.onnx",
        "onnx/model_bnb4.onnx", "onnx/model_O2.onnx", "model.onnx_data", "expected/model.onnx",
        "onnx/deeper/model.onnx", "config.json"}) {
    put(name, "x");
  }
  std::string text;
  for (const OnnxFile& file : list_onnx_files(folder_.path())) text += file.stem + ":" + file.dtype + " ";
  EXPECT_EQ(text,
            "model:fp32 decoder_model_merged:q8 model_O2:fp32 model:bnb4 model:fp16 model:int8 model:q4 "
            "model:q4f16 "
            "model:uint8 ");
}

TEST_F(ModelDir, FolderMustExist) {
  EXPECT_NE(error_of([&] { list_onnx_files(folder_ / "no"); }).find("model folder not found"),
            std::string::npos);
  put("file", "x");
  EXPECT_NE(error_of([&] { list_onnx_files(folder_ / "file"); }).find("is a file"), std::string::npos);
  expect_error("no .onnx file");
}

TEST_F(ModelDir, FlatAndNested) {
  put("encoder_model.onnx", encoder());
  put("decoder_model_merged.onnx", merged());
  EXPECT_EQ(found(find().encoder), "encoder_model.onnx");
  EXPECT_EQ(found(find().decoder_merged), "decoder_model_merged.onnx");
  EXPECT_EQ(found(find().decoder), "-");
  std::filesystem::create_directory(folder_ / "onnx");
  for (const char* name : {"encoder_model.onnx", "decoder_model_merged.onnx"}) {
    std::filesystem::rename(folder_ / name, folder_ / (std::string("onnx/") + name));
  }
  EXPECT_EQ(found(find().encoder), "onnx/encoder_model.onnx");
  EXPECT_EQ(found(find("fp32").decoder_merged), "onnx/decoder_model_merged.onnx");
}

TEST_F(ModelDir, LegacyPair) {
  put("encoder_model.onnx", encoder());
  put("decoder_model.onnx", decoder());
  put("decoder_with_past_model.onnx", with_past());
  EXPECT_EQ(found(find().decoder), "decoder_model.onnx");
  EXPECT_EQ(found(find().decoder_with_past), "decoder_with_past_model.onnx");
  EXPECT_EQ(found(find().decoder_merged), "-");
}

TEST_F(ModelDir, RolesComeFromTheGraphsNotTheNames) {
  put("vision.onnx", encoder());
  put("text.onnx", merged());
  EXPECT_EQ(found(find().encoder), "vision.onnx");
  EXPECT_EQ(found(find().decoder_merged), "text.onnx");
}

TEST_F(ModelDir, UsualNameWinsOtherwiseAmbiguous) {
  put("encoder_model.onnx", encoder());
  put("encoder_model_optimized.onnx", encoder());
  put("decoder_model_merged.onnx", merged());
  EXPECT_EQ(found(find().encoder), "encoder_model.onnx");
  EXPECT_EQ(find().encoder.remark, "");
  put("onnx/encoder_model.onnx", graph_bytes({"pixel_values"}, {{"image_embeds", 3}}));
  expect_error("play the same role");
}

TEST_F(ModelDir, OfGraphsThatDeclareTheSameTheFirstIsTakenWithARemark) {
  put("encoder_opset18.onnx", encoder());
  put("encoder_opset23.onnx", encoder());
  put("decoder_model_merged.onnx", merged());
  EXPECT_EQ(found(find().encoder), "encoder_opset18.onnx");
  EXPECT_NE(find().encoder.remark.find("encoder_opset23.onnx would do as well"), std::string::npos);
}

TEST_F(ModelDir, Dtypes) {
  put("onnx/encoder_model_fp16.onnx", encoder());
  put("onnx/encoder_model_quantized.onnx", encoder());
  put("onnx/decoder_model_merged.onnx", merged());
  put("onnx/decoder_model_merged_fp16.onnx", merged());
  EXPECT_EQ(find().encoder.dtype, "fp16");
  EXPECT_EQ(find().decoder_merged->dtype, "fp32");
  EXPECT_EQ(find("fp16").decoder_merged->dtype, "fp16");
  expect_error("no image encoder (pixel_values -> hidden states) of dtype fp32", "fp32");
  expect_error("no text decoder (input_ids, encoder_hidden_states -> logits) of dtype q8", "q8");
  expect_error("of dtype q8", "quantized");
  EXPECT_NE(error("fp8").find("unknown dtype \"fp8\"; use auto, fp32"), std::string::npos);
}

TEST_F(ModelDir, DtypesByFile) {
  put("onnx/encoder_model.onnx", encoder());
  put("onnx/encoder_model_fp16.onnx", encoder());
  put("onnx/decoder_model_merged_fp16.onnx", merged());
  put("onnx/decoder_model_merged_q4.onnx", merged());
  const Found files = find("encoder_model=fp16,decoder_model_merged=q4");
  EXPECT_EQ(files.encoder.dtype, "fp16");
  EXPECT_EQ(files.decoder_merged->dtype, "q4");
  EXPECT_EQ(find("decoder_model_merged=q4").encoder.dtype, "fp32");
  EXPECT_NE(error("decoder=q4").find("--dtype names 'decoder'"), std::string::npos);
  EXPECT_NE(error("decoder_model_merged=q4,fp16").find("'fp16' is neither"), std::string::npos);
  EXPECT_NE(error("encoder_model=fp8").find("unknown dtype"), std::string::npos);
}

TEST_F(ModelDir, SaysWhatIsMissing) {
  put("encoder_model.onnx", encoder());
  put("decoder_model.onnx", graph_bytes({"input_ids"}, {{"logits", 3}}));
  expect_error("decoder_model.onnx lacks the input encoder_hidden_states");
  put("decoder_model.onnx", graph_bytes({"encoder_hidden_states"}, {{"logits", 3}}));
  expect_error("decoder_model.onnx lacks the input input_ids");
  put("decoder_model.onnx", graph_bytes({"input_ids", "encoder_hidden_states"}, {{"out", 3}}));
  expect_error("decoder_model.onnx lacks the output logits");
  std::filesystem::rename(folder_ / "decoder_model.onnx", folder_ / "decoder_with_past_model.onnx");
  put("decoder_with_past_model.onnx", with_past());
  expect_error("no decoder for the first step");
  put("decoder_model.onnx", decoder());
  put("encoder_model.onnx", graph_bytes({"pixels"}, {{"last_hidden_state", 3}}));
  expect_error("encoder_model.onnx lacks the input pixel_values");
  put("encoder_model.onnx", graph_bytes({"pixel_values"}, {{"logits", 2}}));
  expect_error("lacks an output of hidden states");
}

TEST_F(ModelDir, DamagedFilesMatterOnlyWhenNeeded) {
  put("encoder_model.onnx", encoder());
  put("decoder_model_merged.onnx", merged());
  put("other.onnx", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_EQ(found(find().encoder), "encoder_model.onnx");
  put("decoder_model_merged.onnx", "version https://git-lfs.github.com/spec/v1\n");
  expect_error("decoder_model_merged.onnx is a Git LFS pointer");
}

// Cross-attention keys and values may stand in for the hidden states.
TEST_F(ModelDir, WithPastMayLackHiddenStates) {
  put("encoder_model.onnx", encoder());
  put("decoder_model.onnx", decoder());
  put("decoder_with_past_model.onnx",
      graph_bytes({"input_ids", "past_key_values.0.decoder.key", "past_key_values.0.encoder.key"},
                  {{"logits", 3}}));
  EXPECT_EQ(found(find().decoder_with_past), "decoder_with_past_model.onnx");
}

}  // namespace
}  // namespace vulcap::loader
