// What Tokenizer::load accepts, refuses and takes from the side files.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"
#include "tests/tokenizer/temp_folder.h"

namespace vulcap::tokenizer {
namespace {

using Json = nlohmann::json;

Json small_tokenizer() {
  return Json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 5, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3, "<unk>": 4}, "merges": ["a b"],
              "unk_token": "<unk>"}})");
}

Tokenizer load(const Json& tokenizer, const Json& config = nullptr) {
  const TempFolder folder;
  folder.write("tokenizer.json", tokenizer.dump());
  if (!config.is_null()) folder.write("tokenizer_config.json", config.dump());
  return Tokenizer::load(folder.path());
}

std::vector<std::uint32_t> ids(const Tokenizer& t, const std::string& text) { return t.encode(text).ids; }

using Ids = std::vector<std::uint32_t>;

struct Refusal {
  const char* name;
  std::function<void(Json&)> change;
  const char* message;  // part of it
};

class LoadRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(LoadRefuses, WithTheReason) {
  Json json = small_tokenizer();
  GetParam().change(json);
  try {
    load(json);
    ADD_FAILURE() << "was accepted";
  } catch (const core::Error& e) {
    EXPECT_EQ(e.code(), core::ErrorCode::kInvalidModel);
    EXPECT_NE(e.message().find(GetParam().message), std::string::npos) << e.message();
    EXPECT_EQ(e.message().find('\n'), std::string::npos) << e.message();
  }
}

Json nested_sequence(int depth) {
  Json out = {{"type", "NFC"}};
  for (int i = 0; i < depth; ++i) out = {{"type", "Sequence"}, {"normalizers", Json::array({out})}};
  return out;
}

const Refusal kRefusals[] = {
    {"UnknownNormalizer",
     [](Json& j) {
       j["normalizer"] = {{"type", "Foo"}};
     },
     "tokenizer.json: normalizer: normalizer type 'Foo' is not supported"},
    {"UnknownPreTokenizer", [](Json& j) { j["pre_tokenizer"]["type"] = "Foo"; }, "pre_tokenizer type 'Foo'"},
    {"UnknownPostProcessor",
     [](Json& j) {
       j["post_processor"] = {{"type", "Foo"}};
     },
     "post_processor type 'Foo'"},
    {"UnknownDecoder",
     [](Json& j) {
       j["decoder"] = {{"type", "Foo"}};
     },
     "decoder type 'Foo'"},
    {"UnknownModel", [](Json& j) { j["model"]["type"] = "Foo"; }, "model type 'Foo'"},
    {"UnknownField", [](Json& j) { j["model"]["sparkle"] = 1; }, "field 'sparkle' is not supported"},
    {"NoModel", [](Json& j) { j.erase("model"); }, "field 'model' is missing"},
    {"NoVocab", [](Json& j) { j["model"].erase("vocab"); }, "field 'vocab' is missing"},
    {"Dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, "dropout 0.1"},
    {"HugeId", [](Json& j) { j["model"]["vocab"]["a"] = 1e18; }, "model.vocab"},
    {"NegativeId", [](Json& j) { j["model"]["vocab"]["a"] = -1; }, "outside 0 to 4294967295"},
    {"MergeOutsideVocab", [](Json& j) { j["model"]["merges"].push_back("b a"); }, "merges[1]: 'b a'"},
    {"MergeOfThree", [](Json& j) { j["model"]["merges"].push_back("a b c"); }, "merges[1]"},
    {"AddedTokenId", [](Json& j) { j["added_tokens"][0]["id"] = 9; }, "has id 9 here but 5"},
    {"BadRegex",
     [](Json& j) {
       j["pre_tokenizer"] = {
           {"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}, {"invert", false}};
     },
     "regex '(a' is not supported"},
    {"DeepSequence", [](Json& j) { j["normalizer"] = nested_sequence(20); }, "nest deeper than 16"},
    {"BadCharsmap",
     [](Json& j) {
       j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAD/"}};
     },
     "precompiled_charsmap is cut short"},
};

INSTANTIATE_TEST_SUITE_P(All, LoadRefuses, testing::ValuesIn(kRefusals),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Load, MissingFolderNamesWhatIsNeeded) {
  const TempFolder folder;
  EXPECT_THROW(Tokenizer::load(folder.path() / "absent"), core::Error);
  folder.write("tokenizer.json", "{\"model\": ");
  EXPECT_THROW(Tokenizer::load(folder.path()), core::Error);
}

TEST(Load, MergesAsPairsAndUntaggedModel) {
  Json json = small_tokenizer();
  json["model"]["merges"] = Json::array({Json::array({"a", "b"})});
  json["model"].erase("type");
  EXPECT_EQ(ids(load(json), "abc d"), (Ids{2, 3, 4}));
}

TEST(Load, VocabAndMergesFilesAreGpt2) {
  const TempFolder folder;
  folder.write("vocab.json", R"({"a":0,"b":1,"ab":2,"Ġ":3,"Ġab":4,"<|endoftext|>":5})");
  folder.write("merges.txt", "#version: 0.2\na b\nĠ ab\n");
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  EXPECT_EQ(ids(tokenizer, "ab ab<|endoftext|>"), (Ids{2, 4, 5}));
  EXPECT_TRUE(tokenizer.is_special(5));
  EXPECT_EQ(tokenizer.decode(std::span<const std::uint32_t>(Ids{2, 4, 5})), "ab ab");
}

TEST(Load, ConfigNamesSpecialTokens) {
  const Tokenizer t = load(small_tokenizer(), {{"bos_token", "<s>"},
                                               {"eos_token", {{"content", "<end>"}}},
                                               {"pad_token", "c"},
                                               {"clean_up_tokenization_spaces", true}});
  EXPECT_EQ(t.special_id("bos_token"), 5u);
  EXPECT_EQ(t.special_id("eos_token"), 6u);  // in no vocabulary, so it comes after everything
  EXPECT_EQ(t.special_id("pad_token"), 3u);
  EXPECT_EQ(t.special_id("mask_token"), std::nullopt);
  EXPECT_EQ(t.default_padding()->id, 3u);
  EXPECT_TRUE(t.clean_up_by_default());
  EXPECT_EQ(t.vocab_size(), 7u);
  EXPECT_EQ(ids(t, "ab<end>a"), (Ids{2, 6, 0}));
}

TEST(Load, SplitSpecialTokensMakesThemText) {
  const Json config = {{"split_special_tokens", true}};
  EXPECT_EQ(ids(load(small_tokenizer(), config), "<s>"), (Ids{4, 4, 4}));
  EXPECT_EQ(ids(load(small_tokenizer()), "<s>"), (Ids{5}));
}

TEST(Load, ConfigDecidesPrefixSpace) {
  Json json = small_tokenizer();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}};
  EXPECT_EQ(ids(load(json), "a"), (Ids{4, 0}));
  EXPECT_EQ(ids(load(json, {{"add_prefix_space", true}}), "a"), (Ids{4, 0}));
  EXPECT_EQ(ids(load(json, Json::object()), "a"), (Ids{0}));  // the default of transformers is false
}

// transformers' BartTokenizerFast and RobertaTokenizerFast set both fields of the post-processor.
TEST(Load, RobertasKinSetThePostProcessor) {
  Json json = Json::parse(std::ifstream(VULCAP_TEST_DATA "/tokenizers/roberta/tokenizer.json"));
  json["post_processor"]["trim_offsets"] = false;
  const auto begin_of_word = [&](const Json& config) {
    return load(json, config).encode(" a", false).offsets.at(0).begin;
  };
  EXPECT_EQ(begin_of_word({{"tokenizer_class", "RobertaTokenizer"}}), 1u);
  EXPECT_EQ(begin_of_word({{"tokenizer_class", "BartTokenizer"}, {"trim_offsets", false}}), 0u);
  EXPECT_EQ(begin_of_word({{"tokenizer_class", "PreTrainedTokenizerFast"}}), 0u);
}

TEST(Load, FileTruncationAndPaddingAreHonoured) {
  Json json = small_tokenizer();
  json["truncation"] = {
      {"direction", "Right"}, {"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {
      {"strategy", {{"Fixed", 3}}}, {"direction", "Left"}, {"pad_to_multiple_of", nullptr}, {"pad_id", 4},
      {"pad_type_id", 0},           {"pad_token", "<unk>"}};
  const Tokenizer t = load(json);
  EXPECT_EQ(ids(t, "a b c"), (Ids{4, 0, 1}));
  EXPECT_EQ(t.encode("a b c", EncodeOptions{}).ids, (Ids{0, 1, 3}));
}

TEST(Encode, RefusesTextThatIsNotUtf8) {
  const Tokenizer t = load(small_tokenizer());
  for (const char* text : {"a\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    EXPECT_THROW(t.encode(text), core::Error) << text;
  }
}

TEST(Encode, RefusesImpossibleTruncation) {
  const Tokenizer t = load(small_tokenizer());
  EncodeOptions options;
  options.truncation = Truncation{2, 2, TruncationStrategy::kLongestFirst, Side::kRight};
  EXPECT_THROW(t.encode("a b c", options), core::Error);
  options.truncation = Truncation{2, 0, TruncationStrategy::kOnlySecond, Side::kRight};
  EXPECT_THROW(t.encode("a b c", options), core::Error);
}

TEST(Decode, LeavesOutIdsThatNoTokenHas) {
  const Tokenizer t = load(small_tokenizer());
  EXPECT_EQ(t.decode(std::span<const std::int64_t>(std::vector<std::int64_t>{-1, 2, 77, 1LL << 40, 3, 5})),
            "ab c");
  EXPECT_EQ(t.decode(std::span<const std::uint32_t>(Ids{5, 2}), false), "<s> ab");
}

TEST(Decode, CleansUpSpacesLikeTransformers) {
  Json json = small_tokenizer();
  json["model"] =
      Json::parse(R"({"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 9, "vocab": {"<unk>": 0, "do": 1, "n't": 2, ".": 3, "I": 4, "'m": 5}})");
  json["added_tokens"] = Json::array();
  const Tokenizer t = load(json);
  const Ids tokens{4, 5, 1, 2, 3};
  EXPECT_EQ(t.decode(std::span<const std::uint32_t>(tokens), true, true), "I'm don't.");
  EXPECT_EQ(t.decode(std::span<const std::uint32_t>(tokens), true, false), "I 'm do n't .");
  EXPECT_EQ(t.decode(std::span<const std::uint32_t>(tokens)), "I 'm do n't .");
}

}  // namespace
}  // namespace vulcap::tokenizer
