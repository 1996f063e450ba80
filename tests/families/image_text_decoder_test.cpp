// Folders and prompts that captioners of image features refuse, and what they say. The right answers are in
// the golden folders.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "loader/image/decode.h"
#include "loader/tasks/captioner.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"
#include "tests/apps/onnx_folder.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

const fs::path kFamilies = fs::path(VULCAP_TEST_DATA) / "families";

void copy_family(const std::string& name, const fs::path& to) {
  fs::copy(kFamilies / name, to, fs::copy_options::recursive);
}

void edit_json(const fs::path& path, const std::function<void(nlohmann::json&)>& edit) {
  nlohmann::json json = nlohmann::json::parse(testing::read_file(path));
  edit(json);
  testing::write_file(path, json.dump());
}

session::Device& cpu() {
  static const session::OpenedDevice opened = [] {
    session::DeviceRequest request;
    request.device = "cpu";
    return session::open_device(request);
  }();
  return *opened.device;
}

// The captions' first text, or the error.
std::string caption(const fs::path& dir, const CaptionPrompt& prompt = {}, const LoadOptions& options = {}) {
  try {
    const auto captioner = load_captioner(dir, cpu(), options);
    std::vector<std::string> warnings;
    const auto config = captioner->generation_config({{"max-new-tokens", "4"}}, warnings);
    return captioner->caption(image::decode_file(testing::kSampleImage), prompt, config).captions.at(0).text;
  } catch (const core::Error& error) {
    return std::to_string(int(error.code())) + " " + error.message();
  }
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" lacks \"" << part << "\"";
}

TEST(ImageTextDecoder, NeedsAnImageToken) {
  const TempFolder folder;
  copy_family("moondream", folder / "m");
  edit_json(folder / "m/config.json", [](auto& json) { json["image_token_index"] = 4000; });
  expect_contains(caption(folder / "m"), "3 " + (folder / "m/config.json").string() +
                                             ": the image token 4000 is not in the tokenizer");
  edit_json(folder / "m/config.json", [](auto& json) { json["image_token_index"] = (int64_t{1} << 32) + 1; });
  expect_contains(caption(folder / "m"), "the image token 4294967297 is not in the tokenizer");
  edit_json(folder / "m/config.json", [](auto& json) { json.erase("image_token_index"); });
  EXPECT_NE(caption(folder / "m")[0], '3');  // the tokenizer has <image>
  edit_json(folder / "m/tokenizer.json", [](auto& json) {
    json["added_tokens"].erase(1);
    json["model"]["vocab"].erase("<image>");
    json["model"]["vocab"]["<picture>"] = 1;
  });
  edit_json(folder / "m/tokenizer_config.json", [](auto& json) { json.erase("added_tokens_decoder"); });
  expect_contains(caption(folder / "m"), "names no image token (image_token_id or image_token_index)");
}

TEST(ImageTextDecoder, NeedsAllGraphs) {
  const TempFolder folder;
  copy_family("moondream", folder / "m");
  fs::remove(folder / "m/onnx/embed_tokens.onnx");
  expect_contains(caption(folder / "m"),
                  "3 " + (folder / "m").string() + ": no token embeddings (input_ids -> inputs_embeds); ");
  fs::remove(folder / "m/onnx/decoder_model_merged.onnx");
  fs::copy(kFamilies / "moondream/onnx/embed_tokens.onnx", folder / "m/onnx/embed_tokens.onnx");
  expect_contains(caption(folder / "m"), "no text decoder (inputs_embeds -> logits)");
}

// pixel_values f[batch, 3, 56, 56] -> image_features f[batch, 16, 588]
TEST(ImageTextDecoder, FeaturesMustBeAsWideAsEmbeddings) {
  namespace builder = onnx_test;
  ::onnx::ModelProto model = builder::empty_model();
  builder::set_value(model.mutable_graph()->add_input(), "pixel_values", ::onnx::TensorProto::FLOAT,
                     {1, 3, 56, 56});
  builder::set_value(model.mutable_graph()->add_output(), "image_features", ::onnx::TensorProto::FLOAT,
                     {1, 16, 588});
  auto* shape = builder::add_tensor(model.mutable_graph(), "shape", ::onnx::TensorProto::INT64, {3});
  for (const int64_t dim : {1, 16, 588}) shape->add_int64_data(dim);
  builder::add_node(model.mutable_graph(), "Reshape", {"pixel_values", "shape"}, {"image_features"});
  const TempFolder folder;
  copy_family("moondream", folder / "m");
  testing::write_model(folder / "m/onnx/vision_encoder.onnx", model);
  expect_contains(caption(folder / "m"),
                  "3 " + (folder / "m").string() + ": image features are 588 wide but token embeddings 48");
}

TEST(ImageTextDecoder, RefusesPromptsThatItCannotTake) {
  expect_contains(caption(kFamilies / "moondream", {"", "ocr"}), "2 this model knows no tasks");
  expect_contains(caption(kFamilies / "llava", {"<image> and <image>", ""}), "'<image>' 2 times");
  const TempFolder folder;
  copy_family("llava", folder / "m");
  fs::remove(folder / "m/chat_template.jinja");
  expect_contains(caption(folder / "m", {"What?", ""}),
                  "2 " + (folder / "m").string() + " has no chat template");
  EXPECT_NE(caption(folder / "m", {"What? <image>", ""})[0], '2');
}

TEST(ImageTextDecoder, SaysWhatItAsksByItself) {
  const auto captioner = load_captioner(kFamilies / "moondream", cpu(), {});
  std::vector<std::string> warnings;
  const auto config = captioner->generation_config({{"max-new-tokens", "4"}}, warnings);
  const image::Image image = image::decode_file(testing::kSampleImage);
  const auto asked = captioner->caption(image, {"Describe this image.", ""}, config);
  EXPECT_TRUE(captioner->warnings().empty());
  EXPECT_EQ(captioner->caption(image, {}, config).captions[0].ids, asked.captions[0].ids);
  ASSERT_EQ(captioner->warnings().size(), 1u);
  expect_contains(captioner->warnings()[0], "asked 'Describe this image.'");
}

TEST(ImageTextDecoder, FramesNeedTheirTokens) {
  const TempFolder folder;
  copy_family("moondream", folder / "m");
  edit_json(folder / "m/config.json", [](auto& json) { json["model_type"] = "smolvlm"; });
  expect_contains(caption(folder / "m"), "the tokenizer lacks '<fake_token_around_image>'");
}

TEST(ImageTextDecoder, OtherModelTypesAreTakenByTheirImageToken) {
  const TempFolder folder;
  copy_family("llava", folder / "m");
  edit_json(folder / "m/config.json", [](auto& json) { json["model_type"] = "vlm_of_tomorrow"; });
  EXPECT_EQ(caption(folder / "m", {"What?", ""}), caption(kFamilies / "llava", {"What?", ""}));
  const auto captioner = load_captioner(folder / "m", cpu(), {});
  ASSERT_FALSE(captioner->warnings().empty());
  expect_contains(captioner->warnings().back(), "'vlm_of_tomorrow' has no rules of its own");
  edit_json(folder / "m/config.json", [](auto& json) { json.erase("image_token_index"); });
  expect_contains(caption(folder / "m"), "model_type 'vlm_of_tomorrow' cannot caption here");
}

TEST(PrefixVlm, OneGraphHasNoEncoderOfItsOwn) {
  LoadOptions options;
  options.encoder_only = true;
  expect_contains(caption(kFamilies / "prefix-vlm", {}, options), "holds image encoder and decoder in one");
}

TEST(PrefixVlm, SaysWhatDefaultLengthsCount) {
  const TempFolder folder;
  copy_family("prefix-vlm", folder / "m");
  EXPECT_TRUE(load_captioner(folder / "m", cpu(), {})->warnings().empty());
  edit_json(folder / "m/config.json", [](auto& json) { json.erase("vision_config"); });
  const auto captioner = load_captioner(folder / "m", cpu(), {});
  ASSERT_EQ(captioner->warnings().size(), 1u);
  expect_contains(captioner->warnings()[0], "max_length counts text");
}

}  // namespace
}  // namespace vulcap::loader
