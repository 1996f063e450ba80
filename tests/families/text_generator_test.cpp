// Language models beyond their golden cases: prompts and folders that are refused, each in one line with the
// right code, streaming, sampling, and stop strings.
#include "loader/tasks/text_generator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "loader/generation/stop_strings.h"
#include "loader/read_json.h"
#include "runtime/core/error.h"
#include "runtime/session/open_device.h"
#include "tests/families/error_of.h"

namespace vulcap::loader {
namespace {

namespace fs = std::filesystem;
using core::ErrorCode;
using test::expect_error;

session::Device& cpu() {
  static const session::OpenedDevice opened = session::open_device({"cpu", 2, {}});
  return *opened.device;
}

fs::path golden(const std::string& name) { return fs::path(VULCAP_TEST_DATA) / "families" / name; }

// A copy of a golden folder that a test may damage.
class Copy {
 public:
  explicit Copy(const std::string& name)
      : dir_(fs::path(testing::TempDir()) / ("vulcap-text-" + name + "-" + std::to_string(::getpid()))) {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    for (const auto& entry : fs::directory_iterator(golden(name))) {
      if (entry.is_regular_file()) fs::copy(entry.path(), dir_ / entry.path().filename());
    }
  }
  ~Copy() { fs::remove_all(dir_); }

  const fs::path& dir() const { return dir_; }
  void remove(const std::string& file) const { fs::remove(dir_ / file); }
  void edit(const std::string& file, const std::function<void(nlohmann::json&)>& change) const {
    nlohmann::json json = read_json_object(dir_ / file);
    change(json);
    fs::permissions(dir_ / file, fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(dir_ / file) << json.dump();
  }

 private:
  fs::path dir_;
};

TextResult generate(TextGenerator& generator, std::vector<std::string> prompts,
                    const GenerationFlags& flags = {}, const std::function<void(TextRequest&)>& with = {}) {
  std::vector<std::string> warnings;
  TextRequest request;
  request.prompts = std::move(prompts);
  if (with) with(request);
  return generator.generate(request, generator.generation_config(flags, warnings));
}

TEST(TextGenerator, AnEmptyPromptStartsFromBos) {
  const auto model = load_text_generator(golden("gpt2"), cpu(), {});
  const TextResult result = generate(*model, {""}, {{"max-new-tokens", "2"}});
  EXPECT_EQ(result.texts.at(0).at(0).ids.at(0), 374);
  EXPECT_EQ(result.texts[0][0].new_ids.size(), 2u);
  expect_error(ErrorCode::kUsage, "bos_token_id", [&] {
    generate(*model, {""}, {{"bos-token-id", "None"}});
  });
}

TEST(TextGenerator, PromptsThatDoNotFitAreRefused) {
  const auto gpt2 = load_text_generator(golden("gpt2"), cpu(), {});
  const std::string text(400, 'x');
  expect_error(ErrorCode::kUsage, "128 positions", [&] {
    generate(*gpt2, {text}, {{"max-new-tokens", "1"}});
  });
  expect_error(ErrorCode::kUsage, "--max-new-tokens", [&] {
    generate(*gpt2, {"Hello"}, {{"max-new-tokens", "200"}});
  });
  const auto bart = load_text_generator(golden("bart"), cpu(), {});
  expect_error(ErrorCode::kUsage, "128 positions", [&] { generate(*bart, {text}); });
  expect_error(ErrorCode::kUsage, "--max-new-tokens", [&] {
    generate(*bart, {"Hello"}, {{"max-new-tokens", "200"}});
  });
  expect_error(ErrorCode::kRuntime, "UTF-8", [&] { generate(*gpt2, {"\xFF\xFE"}); });
}

TEST(TextGenerator, ATokenizerOfAnotherModelIsNoticed) {
  const Copy copy("gpt2");
  copy.edit("tokenizer.json", [](nlohmann::json& json) {
    nlohmann::json token = json.at("added_tokens").at(0);
    token["id"] = 375;
    token["content"] = "<extra>";
    json["added_tokens"].push_back(token);
  });
  const auto model = load_text_generator(copy.dir(), cpu(), {});
  expect_error(ErrorCode::kInvalidModel, "token 375", [&] { generate(*model, {"a <extra>"}); });
}

TEST(TextGenerator, FoldersWithoutTheNeededGraphsAreRefused) {
  const Copy encoder_only("t5");
  encoder_only.remove("decoder_model_merged.onnx");
  expect_error(ErrorCode::kInvalidModel, "no text decoder (input_ids -> logits)",
               [&] { load_text_generator(encoder_only.dir(), cpu(), {}); });
  const Copy decoder_only("bart");
  decoder_only.remove("encoder_model.onnx");
  expect_error(ErrorCode::kInvalidModel, "no text encoder",
               [&] { load_text_generator(decoder_only.dir(), cpu(), {}); });
  LoadOptions named;
  named.file = "model_int4.onnx";
  expect_error(ErrorCode::kUsage, "model_int4.onnx",
               [&] { load_text_generator(golden("gpt2"), cpu(), named); });
}

TEST(TextGenerator, ADecoderNeedsAStartToken) {
  const Copy copy("t5");
  for (const char* file : {"generation_config.json", "config.json"}) {
    copy.edit(file, [](nlohmann::json& json) { json.erase("decoder_start_token_id"); });
  }
  const auto model = load_text_generator(copy.dir(), cpu(), {});
  expect_error(ErrorCode::kInvalidModel, "decoder_start_token_id", [&] { generate(*model, {"Hello"}); });
}

class Streaming : public testing::TestWithParam<const char*> {};

TEST_P(Streaming, PiecesAreTheNewText) {
  const auto model = load_text_generator(golden(GetParam()), cpu(), {});
  for (const char* prompt : {"Hello world", "Größe und naïve", "今天天气"}) {
    std::string streamed;
    const TextResult result =
        generate(*model, {prompt}, {{"max-new-tokens", "20"}, {"num-beams", "1"}}, [&](TextRequest& request) {
          request.on_text = [&](const std::string& piece) { streamed += piece; };
        });
    EXPECT_EQ(streamed, result.texts.at(0).at(0).new_text) << prompt;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Streaming, testing::Values("gpt2", "llama", "bloom", "t5", "bart"),
                         [](const auto& test) { return std::string(test.param); });

TEST(TextGenerator, SamplingIsReproducible) {
  const auto model = load_text_generator(golden("llama"), cpu(), {});
  const GenerationFlags flags = {{"do-sample", "true"},
                                 {"num-return-sequences", "3"},
                                 {"seed", "7"},
                                 {"max-new-tokens", "6"},
                                 {"output-scores", "true"}};
  const TextResult one = generate(*model, {"Hello world", "A"}, flags);
  const TextResult two = generate(*model, {"Hello world", "A"}, flags);
  ASSERT_EQ(one.texts.size(), 2u);
  for (size_t item = 0; item < 2; ++item) {
    ASSERT_EQ(one.texts[item].size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(one.texts[item][i].ids, two.texts[item][i].ids);
      EXPECT_TRUE(one.texts[item][i].score.has_value());
    }
    EXPECT_NE(one.texts[item][0].ids, one.texts[item][1].ids);
  }
}

// Rows of a batch say what they say alone, whatever the decoder does about padding.
TEST(TextGenerator, ABatchEqualsItsPromptsAlone) {
  const std::vector<std::string> prompts = {"Hello world", "1", "The president of the company"};
  for (const char* name : {"gpt2", "bloom", "t5", "bart", "genai-phi"}) {
    const auto model = load_text_generator(golden(name), cpu(), {});
    for (const char* beams : {"1", "3"}) {
      const GenerationFlags flags = {{"max-new-tokens", "8"}, {"num-beams", beams}};
      const TextResult batch = generate(*model, prompts, flags);
      for (size_t i = 0; i < prompts.size(); ++i) {
        const TextResult alone = generate(*model, {prompts[i]}, flags);
        EXPECT_EQ(batch.texts[i][0].new_text, alone.texts[0][0].new_text) << name << ", beams " << beams;
      }
    }
  }
}

TEST(StopStrings, EndInsideTheLastToken) {
  const auto tokenizer = tokenizer::Tokenizer::load(golden("gpt2"));
  const auto ends = [&](const std::string& stop, const std::string& text) {
    const auto ids = tokenizer.encode(text, false).ids;
    return StopStrings(tokenizer, {stop}).ends(std::vector<int64_t>(ids.begin(), ids.end()));
  };
  EXPECT_TRUE(ends("d", "Hello world"));
  EXPECT_TRUE(ends("world", "Hello world"));
  EXPECT_TRUE(ends("lo wor", "Hello wor"));
  EXPECT_FALSE(ends("Hello", "Hello world"));
  EXPECT_FALSE(ends("World", "Hello world"));
  // " the" is one token: what the stop string leaves of it does not matter.
  EXPECT_TRUE(ends("x t", "x the"));
  EXPECT_TRUE(ends(" ", "x the"));
  EXPECT_FALSE(ends("x", "x the"));
  expect_error(ErrorCode::kUsage, "empty", [&] { StopStrings(tokenizer, {"a", ""}); });
}

}  // namespace
}  // namespace vulcap::loader
