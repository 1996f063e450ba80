// StreamDecoder: the pieces together are the whole text, and no piece cuts a character.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "loader/tokenizer/stream_decoder.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

using Json = nlohmann::json;

std::filesystem::path folder_of(const std::string& name) {
  return std::filesystem::path(VULCAP_TEST_DATA) / "tokenizers" / name;
}

class Stream : public testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(Stream, PiecesMakeTheWholeText) {
  const auto& [name, clean_up] = GetParam();
  const Tokenizer tokenizer = Tokenizer::load(folder_of(name));
  std::ifstream file(folder_of(name) / "cases.json");
  StreamDecoder decoder(tokenizer, true, clean_up);
  std::size_t early_pieces = 0;
  const Json golden = Json::parse(file);
  for (const Json& c : golden.at("cases")) {
    const auto ids = c.at("ids").get<std::vector<std::uint32_t>>();
    if (ids.size() > 400) continue;
    std::string text;
    for (const std::uint32_t id : ids) {
      const std::string piece = decoder.push(id);
      EXPECT_TRUE(is_valid_utf8(piece));
      if (!piece.empty()) ++early_pieces;
      text += piece;
    }
    text += decoder.finish();
    EXPECT_EQ(text, tokenizer.decode(std::span<const std::uint32_t>(ids), true, clean_up));
  }
  EXPECT_GT(early_pieces, 500u);
}

INSTANTIATE_TEST_SUITE_P(All, Stream,
                         testing::Combine(testing::Values("gpt2", "roberta", "llama3", "qwen2", "llama",
                                                          "bert-uncased", "t5-added", "mpnet"),
                                          testing::Bool()));

TEST(Stream, HoldsBackAnUnfinishedCharacter) {
  const Tokenizer tokenizer = Tokenizer::load(folder_of("gpt2"));
  const std::vector<std::uint32_t> ids = tokenizer.encode("a\xF0\x9F\x99\x82").ids;
  ASSERT_GE(ids.size(), 3u);
  StreamDecoder decoder(tokenizer, true, false);
  EXPECT_EQ(decoder.push(ids[0]), "a");
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace vulcap::tokenizer
