// Every field of generation_config.json, its precedence, and what is refused or named in a warning.
#include "loader/generation_config.h"

#include <gtest/gtest.h>

#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using generate::EarlyStopping;

LoadedGenerationConfig load(std::string file, std::string config = "{}",
                            std::vector<std::pair<std::string, std::string>> flags = {}) {
  return load_generation_config({std::move(file), std::move(config), std::move(flags), {}});
}

LoadedGenerationConfig load_flags(std::vector<std::pair<std::string, std::string>> flags) {
  return load_generation_config({std::nullopt, "", std::move(flags), {}});
}

template <typename Load>
core::Error error_of(Load&& action) {
  try {
    action();
  } catch (const core::Error& error) {
    return error;
  }
  return {core::ErrorCode::kRuntime, "nothing was thrown"};
}

TEST(GenerationConfig, DefaultsAreThoseOfTransformers) {
  const auto loaded = load("{}");
  EXPECT_EQ(loaded.config.max_length, 20);
  EXPECT_EQ(loaded.config.top_k, 50);
  EXPECT_FALSE(loaded.config.max_length_given);
  EXPECT_TRUE(loaded.warnings.empty());
}

TEST(GenerationConfig, ReadsEveryKindOfField) {
  const auto c =
      load(R"({"num_beams": 4, "early_stopping": "never", "length_penalty": 2, "eos_token_id": [1, 2],
      "pad_token_id": 3, "forced_eos_token_id": 5, "bad_words_ids": [[1], [2, 3]], "suppress_tokens": [7],
      "sequence_bias": [[[4, 5], -1.5]], "exponential_decay_length_penalty": [3, 1.5], "max_length": 30.0,
      "do_sample": true, "min_p": 0.1, "stop_strings": "end", "decoder_start_token_id": 9, "top_k": null,
      "output_attentions": false, "transformers_version": "4.57.6"})");
  EXPECT_TRUE(c.warnings.empty());
  EXPECT_EQ(c.config.num_beams, 4);
  EXPECT_EQ(c.config.early_stopping, EarlyStopping::kNever);
  EXPECT_EQ(c.config.length_penalty, 2.0);
  EXPECT_EQ(c.config.eos_token_id, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(c.config.forced_eos_token_id, std::vector<int64_t>{5});
  EXPECT_EQ(c.config.bad_words_ids.at(1), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(c.config.sequence_bias.at(0).bias, -1.5F);
  EXPECT_EQ(c.config.exponential_decay_length_penalty.value().start, 3);
  EXPECT_EQ(c.config.max_length, 30);
  EXPECT_EQ(c.config.stop_strings, std::vector<std::string>{"end"});
  EXPECT_EQ(c.config.decoder_start_token_id, 9);
  EXPECT_EQ(c.config.top_k, 0);
}

TEST(GenerationConfig, FlagsWinOverTheFileAndNullUnsets) {
  const auto c =
      load(R"({"num_beams": 4, "max_length": 40, "forced_bos_token_id": 3, "early_stopping": true})", "{}",
           {{"num-beams", "2"}, {"max-length", "20"}, {"forced-bos-token-id", "None"}});
  EXPECT_EQ(c.config.num_beams, 2);
  EXPECT_EQ(c.config.max_length, 20);
  EXPECT_TRUE(c.config.max_length_given);
  EXPECT_FALSE(c.config.forced_bos_token_id.has_value());
  EXPECT_EQ(c.config.early_stopping, EarlyStopping::kYes);
}

TEST(GenerationConfig, FlagsTakeBareListsBooleansAndWords) {
  const auto c = load_flags({{"suppress-tokens", "1,2"},
                             {"do-sample", ""},
                             {"num-beams", "3"},
                             {"seed", "5"},
                             {"early-stopping", "never"},
                             {"bad-words-ids", "[1],[2,3]"},
                             {"stop-strings", "12"}});
  EXPECT_EQ(c.config.suppress_tokens, (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(c.config.do_sample);
  EXPECT_EQ(c.config.seed, 5U);
  EXPECT_EQ(c.config.early_stopping, EarlyStopping::kNever);
  EXPECT_EQ(c.config.bad_words_ids.size(), 2U);
  EXPECT_EQ(c.config.stop_strings, std::vector<std::string>{"12"});
}

TEST(GenerationConfig, ConfigJsonCountsOnlyWithoutTheFile) {
  const std::string config = R"({"model_type": "x", "num_beams": 5, "eos_token_id": 2, "max_length": 20,
      "max_position_embeddings": 64, "decoder": {"max_length": 33, "eos_token_id": 7, "pad_token_id": 0}})";
  const auto legacy = load_generation_config({std::nullopt, config, {}, {}});
  EXPECT_EQ(legacy.config.num_beams, 5);
  EXPECT_EQ(legacy.config.eos_token_id, std::vector<int64_t>{2});
  EXPECT_EQ(legacy.config.max_length, 33);  // the outer one is the default, so the decoder's counts
  EXPECT_EQ(legacy.config.pad_token_id, 0);
  EXPECT_EQ(legacy.config.max_position_embeddings, 64);
  EXPECT_TRUE(legacy.warnings.empty());
  const auto modern = load(R"({"eos_token_id": 9})", config);
  EXPECT_EQ(modern.config.num_beams, 1);
  EXPECT_EQ(modern.config.eos_token_id, std::vector<int64_t>{9});
  EXPECT_TRUE(modern.warnings.empty());
  EXPECT_EQ(load(R"({"_from_model_config": true})", config).warnings.size(), 1U);
}

TEST(GenerationConfig, WarnsByName) {
  const auto warns = [](const std::string& file, const std::string& name) {
    const auto loaded = load(file);
    return loaded.warnings.size() == 1 && loaded.warnings[0].find(name) != std::string::npos;
  };
  EXPECT_TRUE(warns(R"({"alignment_heads": [[1, 0]]})", "alignment_heads"));
  EXPECT_TRUE(warns(R"({"seed": 3})", "seed"));
  EXPECT_TRUE(warns(R"({"prompt_lookup_num_tokens": 3})", "prompt_lookup_num_tokens"));
  EXPECT_TRUE(warns(R"({"cache_implementation": "quantized"})", "quantized"));
  EXPECT_TRUE(warns(R"({"temperature": 0.5})", "temperature"));
  EXPECT_TRUE(warns(R"({"length_penalty": 0.5})", "length_penalty"));
  const auto known = load_generation_config({R"({"alignment_heads": []})", "", {}, {"alignment_heads"}});
  EXPECT_TRUE(known.warnings.empty());
}

TEST(GenerationConfig, RefusesWhatIsNotSupportedUnlessAFlagUnsetsIt) {
  for (const std::string field :
       {R"("num_beam_groups": 2)", R"("diversity_penalty": 0.5)", R"("penalty_alpha": 0.6)",
        R"("guidance_scale": 2)", R"("constraints": [])", R"("token_healing": true)"}) {
    const auto error = error_of([&] { load("{" + field + "}"); });
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel) << error.message();
  }
  EXPECT_NO_THROW(load(R"({"num_beam_groups": 1, "diversity_penalty": 0, "guidance_scale": null})"));
  EXPECT_NO_THROW(load(R"({"num_beam_groups": 2})", "{}", {{"num-beam-groups", "1"}}));
  EXPECT_EQ(error_of([] { load_flags({{"num-beam-groups", "2"}}); }).code(), core::ErrorCode::kUsage);
}

TEST(GenerationConfig, RefusesWrongTypesNamingTheField) {
  for (const std::string field :
       {R"("num_beams": "x")", R"("num_beams": 1.5)", R"("do_sample": "yes")", R"("eos_token_id": [1, "a"])",
        R"("bad_words_ids": [1])", R"-("sequence_bias": {"(1,)": 2.0})-",
        R"("sequence_bias": [[[1], 1e300]])", R"("exponential_decay_length_penalty": [1])",
        R"("early_stopping": "maybe")", R"("stop_strings": [1])", R"("max_length": 18446744073709551615)",
        R"("decoder_start_token_id": [1, 2])", R"("top_p": [])"}) {
    const auto error = error_of([&] { load("{" + field + "}"); });
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel) << field;
    EXPECT_NE(error.message().find(field.substr(1, field.find('"', 1) - 1)), std::string::npos)
        << error.message();
  }
  for (const std::string text : {"", "[", "[]", "nan", R"({"top_p": 1e999})", R"({"a": NaN})"}) {
    EXPECT_EQ(error_of([&] { load(text); }).code(), core::ErrorCode::kInvalidModel) << text;
  }
  EXPECT_EQ(error_of([] { load_flags({{"num-beams", "many"}}); }).code(), core::ErrorCode::kUsage);
  EXPECT_EQ(error_of([] { load_flags({{"no-such", "1"}}); }).code(), core::ErrorCode::kUsage);
  EXPECT_EQ(error_of([] { load_flags({{"seed", "-1"}}); }).code(), core::ErrorCode::kUsage);
}

TEST(GenerationConfig, ListsItsFlags) {
  EXPECT_TRUE(is_generation_flag("num-beams"));
  EXPECT_TRUE(is_generation_flag("seed"));
  EXPECT_TRUE(is_generation_flag("num-beam-groups"));
  EXPECT_FALSE(is_generation_flag("num_beams"));
  EXPECT_FALSE(is_generation_flag("device"));
  for (const std::string& flag : generation_flags()) EXPECT_TRUE(is_generation_flag(flag)) << flag;
}

}  // namespace
}  // namespace vulcap::loader
