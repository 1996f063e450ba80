// Broken tokenizer files must end in core::Error or in a tokenizer that works: never in a crash, hang or
// other exception.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"
#include "tests/tokenizer/temp_folder.h"

namespace vulcap::tokenizer {
namespace {

using Json = nlohmann::json;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// True when it loaded. Encodes, decodes and looks up whatever comes out of it.
bool try_tokenizer(const std::filesystem::path& folder) {
  try {
    const Tokenizer t = Tokenizer::load(folder);
    const Encoding e =
        t.encode_pair("Hello, the world's 123 caf\xC3\xA9!  <s></s><mask> \xF0\x9F\x99\x82", "the b");
    t.decode(std::span<const std::uint32_t>(e.ids), false, true);
    t.decode(std::span<const std::uint32_t>(std::vector<std::uint32_t>{0, 1, 5, 300, 4294967295u}), true,
             true);
    t.vocab_size();
    return true;
  } catch (const core::Error& error) {
    EXPECT_FALSE(error.message().empty());
    return false;
  }
}

Json odd_value(std::mt19937& random) {
  switch (random() % 10) {
    case 0:
      return nullptr;
    case 1:
      return true;
    case 2:
      return -1;
    case 3:
      return 4294967295u;
    case 4:
      return 1e300;
    case 5:
      return "";
    case 6:
      return "\xE2\x96\x81\xF0\x9F\x99\x82";
    case 7:
      return Json::array();
    case 8:
      return Json::object();
    default:
      return std::string(300, 'x');
  }
}

// Walks down to a random place and changes, removes or doubles something there.
void mutate(Json& json, std::mt19937& random) {
  Json* at = &json;
  while (at->is_structured() && !at->empty() && random() % 8 != 0) {
    auto child = at->begin();
    std::advance(child, random() % std::min<std::size_t>(at->size(), 12));
    if (!child->is_structured() || child->empty()) {
      at = &*child;
      break;
    }
    at = &*child;
  }
  if (at->is_object() && !at->empty() && random() % 2 == 0) {
    at->erase(at->begin());
  } else if (at->is_array() && !at->empty() && random() % 2 == 0) {
    at->push_back(at->front());
  } else {
    *at = odd_value(random);
  }
}

class Mutation : public testing::TestWithParam<const char*> {};

TEST_P(Mutation, OfStructureEndsInAnErrorOrWorks) {
  const std::filesystem::path source = std::filesystem::path(VULCAP_TEST_DATA) / "tokenizers" / GetParam();
  Json tokenizer = Json::parse(read(source / "tokenizer.json"));
  const Json config = Json::parse(read(source / "tokenizer_config.json"));
  std::mt19937 random(20240501);
  int loaded = 0;
  for (int round = 0; round < 150; ++round) {
    Json changed = tokenizer;
    Json changed_config = config;
    const unsigned count = 1 + random() % 3;
    for (unsigned i = 0; i < count; ++i) mutate(random() % 4 == 0 ? changed_config : changed, random);
    const TempFolder folder;
    folder.write("tokenizer.json", changed.dump());
    folder.write("tokenizer_config.json", changed_config.dump());
    if (try_tokenizer(folder.path())) ++loaded;
  }
  EXPECT_GT(loaded, 0);
  EXPECT_LT(loaded, 150);
}

TEST_P(Mutation, OfBytesEndsInAnErrorOrWorks) {
  const std::filesystem::path source = std::filesystem::path(VULCAP_TEST_DATA) / "tokenizers" / GetParam();
  const std::string original = read(source / "tokenizer.json");
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::string bytes = original;
    if (round % 6 == 0) bytes.resize(random() % bytes.size());
    for (int i = 0; i < 4 && !bytes.empty(); ++i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const TempFolder folder;
    folder.write("tokenizer.json", bytes);
    try_tokenizer(folder.path());
  }
}

std::string test_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Mutation,
                         testing::Values("roberta", "llama", "llama3", "clip", "bert-uncased", "t5-added",
                                         "bloom"),
                         test_name);

TEST(Mutation, DeepJsonIsRefused) {
  const TempFolder folder;
  folder.write("tokenizer.json", std::string(200000, '[') + std::string(200000, ']'));
  EXPECT_FALSE(try_tokenizer(folder.path()));
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += "{\"normalizer\":";
  folder.write("tokenizer.json", nested);
  EXPECT_FALSE(try_tokenizer(folder.path()));
}

TEST(Mutation, BacktrackingRegexIsStopped) {
  const TempFolder folder;
  Json json = Json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})");
  json["pre_tokenizer"] = {{"type", "Split"},
                           {"pattern", {{"Regex", "(a+)+$|(a*)*b"}}},
                           {"behavior", "Isolated"},
                           {"invert", false}};
  folder.write("tokenizer.json", json.dump());
  const Tokenizer t = Tokenizer::load(folder.path());
  EXPECT_THROW(t.encode(std::string(60, 'a') + "!"), core::Error);
}

}  // namespace
}  // namespace vulcap::tokenizer
