// Every stage type and its switches against the answers of Hugging Face tokenizers (golden/tokenizer_stages).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "loader/tokenizer/tokenizer.h"
#include "tests/tokenizer/temp_folder.h"

namespace vulcap::tokenizer {
namespace {

using Json = nlohmann::json;

const Json& golden() {
  static const Json json = [] {
    std::ifstream file(std::string(VULCAP_TEST_DATA) + "/tokenizer_stages/stages.json");
    return Json::parse(file);
  }();
  return json;
}

Json with_null(const std::vector<std::int32_t>& list) {
  Json out = Json::array();
  for (const std::int32_t v : list) out.push_back(v < 0 ? Json(nullptr) : Json(v));
  return out;
}

void check_case(const Tokenizer& tokenizer, const Json& c) {
  const auto text = c.at("text").get<std::string>();
  const Encoding e = tokenizer.encode(text);
  EXPECT_EQ(Json(e.ids), c.at("ids")) << text;
  Json offsets = Json::array();
  for (const Span& s : e.offsets) offsets.push_back({s.begin, s.end});
  EXPECT_EQ(offsets, c.at("offsets")) << text;
  EXPECT_EQ(with_null(e.word_ids), c.at("word_ids")) << text;
  // The reference crashes where Strip or BPEDecoder meets no token at all.
  if (!c.contains("decode")) return;
  EXPECT_EQ(tokenizer.decode(std::span<const std::uint32_t>(e.ids), true, false), c.at("decode")) << text;
}

class Stages : public testing::TestWithParam<std::size_t> {};

TEST_P(Stages, EqualsReference) {
  const Json& stage = golden().at("stages").at(GetParam());
  SCOPED_TRACE(stage.at("name").get<std::string>());
  Json file = stage.at("tokenizer");
  if (file.at("model") == "byte_model") file["model"] = golden().at("byte_model");
  const TempFolder folder;
  folder.write("tokenizer.json", file.dump());
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  for (const Json& c : stage.at("cases")) check_case(tokenizer, c);
  const Encoding pair = tokenizer.encode_pair("the one", "and two");
  EXPECT_EQ(Json(pair.ids), stage.at("pair").at("ids"));
  EXPECT_EQ(Json(pair.type_ids), stage.at("pair").at("type_ids"));
  EXPECT_EQ(with_null(pair.sequence_ids), stage.at("pair").at("sequence_ids"));
}

INSTANTIATE_TEST_SUITE_P(All, Stages, testing::Range<std::size_t>(0, golden().at("stages").size()));

TEST(StagesGolden, HoldsEveryStage) { EXPECT_GE(golden().at("stages").size(), 87u); }

}  // namespace
}  // namespace vulcap::tokenizer
