// BLIP and GIT beside their golden cases: layouts known by what they declare, tasks, and what is refused.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "loader/image/decode.h"
#include "loader/read_json.h"
#include "loader/tasks/captioner.h"
#include "runtime/session/open_device.h"
#include "tests/families/error_of.h"
#include "tests/onnx/model_builder.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;
using test::error_of;

session::Device& cpu() {
  static const session::OpenedDevice opened = [] {
    session::DeviceRequest request;
    request.device = "cpu";
    return session::open_device(request);
  }();
  return *opened.device;
}

const fs::path kFamilies = fs::path(VULCAP_TEST_DATA) / "families";

class Copy {
 public:
  explicit Copy(const std::string& name) { fs::copy(kFamilies / name, path(), fs::copy_options::recursive); }
  fs::path path() const { return folder_.path(); }
  void change(const std::string& file, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json json = read_json(path() / file);
    change(json);
    onnx_test::write_file(path() / file, json.dump());
  }

 private:
  onnx_test::TempFolder folder_;
};

Caption caption(const fs::path& dir, const CaptionPrompt& prompt = {},
                const GenerationFlags& flags = {{"max-new-tokens", "6"}}) {
  const auto captioner = load_captioner(dir, cpu(), {});
  std::vector<std::string> warnings;
  const auto config = captioner->generation_config(flags, warnings);
  const image::Image image = image::decode_file(kFamilies / "images" / "scene_320x320.png");
  return captioner->caption(image, prompt, config).captions.at(0);
}

TEST(Blip, FilesMayHaveAnyNameAndPlace) {
  const Copy copy("blip");
  fs::rename(copy.path() / "onnx" / "vision_model.onnx", copy.path() / "b.onnx");
  fs::rename(copy.path() / "onnx" / "text_decoder_model.onnx", copy.path() / "onnx" / "a.onnx");
  EXPECT_EQ(caption(copy.path()).ids, caption(kFamilies / "blip").ids);
}

TEST(Blip, CaptionsHoldTheirBeginning) {
  const Caption begun = caption(kFamilies / "blip", {"a photo of", ""});
  EXPECT_TRUE(begun.text.starts_with("a photo of ")) << begun.text;
  EXPECT_EQ(begun.ids.size(), 10u);
}

TEST(Blip, EndsAtTheSeparatorUnlessAFlagSaysOtherwise) {
  const Caption plain = caption(kFamilies / "blip");
  const std::string second = std::to_string(plain.ids.at(1));
  const Caption cut = caption(kFamilies / "blip", {}, {{"max-new-tokens", "6"}, {"eos-token-id", second}});
  EXPECT_EQ(cut.ids, std::vector<int64_t>(plain.ids.begin(), plain.ids.begin() + 2));
  Copy copy("blip");
  copy.change("config.json", [&](auto& config) { config["text_config"]["sep_token_id"] = plain.ids[1]; });
  copy.change("generation_config.json", [&](auto& config) { config["eos_token_id"] = 1; });
  EXPECT_EQ(caption(copy.path()).ids, cut.ids);
}

TEST(Blip, AnswersNeedAQuestion) {
  EXPECT_EQ(caption(kFamilies / "blip-vqa", {"a large red", "vqa"}).ids,
            caption(kFamilies / "blip-vqa", {"a large red", ""}).ids);
  const core::Error error = error_of([] { caption(kFamilies / "blip-vqa"); });
  EXPECT_EQ(error.code(), ErrorCode::kUsage);
  EXPECT_TRUE(error.message().ends_with("this model answers questions; ask one with --prompt"))
      << error.message();
}

TEST(Blip, AnswersWithSeveralBeams) {
  const GenerationFlags flags{{"max-new-tokens", "6"}, {"num-beams", "3"}};
  const Caption answer = caption(kFamilies / "blip-vqa", {"a large red", ""}, flags);
  EXPECT_EQ(answer.ids.size(), 7u);
  EXPECT_TRUE(answer.score.has_value());
}

TEST(Blip, RefusesWhatItCannotDo) {
  EXPECT_EQ(error_of([] { caption(kFamilies / "blip", {"", "od"}); }).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of([] { caption(kFamilies / "blip-vqa", {"what?", "od"}); }).code(), ErrorCode::kUsage);
  const core::Error length = error_of([] { caption(kFamilies / "blip", {}, {{"max-new-tokens", "90"}}); });
  EXPECT_EQ(length.code(), ErrorCode::kUsage);
  EXPECT_NE(length.message().find("64 positions"), std::string::npos) << length.message();
}

TEST(Blip, SettingsThatDoNotFitTheDecoder) {
  Copy copy("blip");
  copy.change("config.json", [](auto& config) { config["text_config"].erase("bos_token_id"); });
  const core::Error error = error_of([&] { caption(copy.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
  EXPECT_EQ(error.message(), (copy.path() / "config.json").string() +
                                 ": text_config.bos_token_id is 30522, but the decoder has 520 tokens");
}

TEST(Blip, TokenizerWithoutSpecialTokens) {
  Copy copy("blip");
  copy.change("tokenizer.json", [](auto& tokenizer) { tokenizer["post_processor"] = nullptr; });
  EXPECT_EQ(caption(copy.path()).ids, caption(kFamilies / "blip").ids);
  const core::Error error = error_of([&] { caption(copy.path(), {"a", ""}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
  EXPECT_EQ(error.message().find('\n'), std::string::npos);
}

TEST(Blip, AFolderWithoutADecoder) {
  const Copy copy("blip");
  fs::remove(copy.path() / "onnx" / "text_decoder_model.onnx");
  const core::Error error = error_of([&] { caption(copy.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
  EXPECT_NE(error.message().find("no text decoder (input_ids, encoder_hidden_states -> logits)"),
            std::string::npos)
      << error.message();
}

TEST(Git, AnAnswerDoesNotHoldTheQuestion) {
  const std::string question = "what is in the image?";
  const Caption whole = caption(kFamilies / "git", {question, ""});
  const Caption answer = caption(kFamilies / "git", {question, "vqa"});
  EXPECT_EQ(whole.ids, answer.ids);
  EXPECT_TRUE(whole.text.starts_with(question)) << whole.text;
  EXPECT_FALSE(answer.text.empty());
  EXPECT_EQ(answer.text.find("image"), std::string::npos) << answer.text;
}

TEST(Git, TokensThatNoFileNamesHaveTheirUsualIds) {
  Copy copy("git");
  fs::remove(copy.path() / "generation_config.json");
  EXPECT_EQ(caption(copy.path()).ids, caption(kFamilies / "git").ids);
  copy.change("config.json", [](auto& config) { config.erase("bos_token_id"); });
  EXPECT_EQ(caption(copy.path()).ids.at(0), 101);
}

TEST(Git, RefusesWhatItCannotDo) {
  EXPECT_EQ(error_of([] { caption(kFamilies / "git", {"", "vqa"}); }).code(), ErrorCode::kUsage);
  EXPECT_EQ(error_of([] { caption(kFamilies / "git", {"a", "od"}); }).code(), ErrorCode::kUsage);
  LoadOptions options;
  options.encoder_only = true;
  EXPECT_EQ(error_of([&] { load_captioner(kFamilies / "git-whole", cpu(), options); }).code(),
            ErrorCode::kUsage);
}

}  // namespace
}  // namespace vulcap::loader
