// Bodies of requests, good ones and mutated ones; keys; base64.
#include <gtest/gtest.h>

#include <random>

#include "apps/serve/access.h"
#include "apps/serve/chat_api.h"
#include "apps/serve/embedding_api.h"
#include "apps/serve/request_json.h"
#include "apps/serve/task_api.h"
#include "loader/base64.h"
#include "tests/serve/server.h"

namespace vulcap::testing {
namespace {

using namespace vulcap::apps::serve;
using nlohmann::json;

const Limits kLimits;

std::string flags_of(const json& changes) {
  json body = chat_body("bytes");
  body.update(changes);
  std::string text;
  for (const auto& [name, value] : parse_chat(body).caption.flags) text += name + "=" + value + " ";
  return text;
}

TEST(ChatApi, OpenAiNamesBecomeSettings) {
  EXPECT_EQ(flags_of(json::object()), "");
  EXPECT_EQ(flags_of({{"max_tokens", 7}}), "max-new-tokens=7 ");
  EXPECT_EQ(flags_of({{"max_completion_tokens", 7}, {"seed", 3}}), "max-new-tokens=7 seed=3 ");
  EXPECT_EQ(flags_of({{"temperature", 0}}), "do-sample=false ");
  EXPECT_EQ(flags_of({{"temperature", 0.5}}), "do-sample=true temperature=0.5 ");
  EXPECT_EQ(flags_of({{"top_p", 1}}), "");
  EXPECT_EQ(flags_of({{"top_p", 0.9}}), "do-sample=true top-p=0.9 ");
  EXPECT_EQ(flags_of({{"do_sample", false}, {"temperature", 0.5}}), "temperature=0.5 do-sample=false ");
  EXPECT_EQ(flags_of({{"stop", "x"}}), "stop-strings=[\"x\"] ");
  EXPECT_EQ(flags_of({{"stop", {"x", "y"}}}), "stop-strings=[\"x\",\"y\"] ");
  EXPECT_EQ(flags_of({{"num_beams", 4}, {"n", nullptr}, {"user", "me"}, {"logprobs", false}}),
            "num-beams=4 ");
}

TEST(ChatApi, ReadsTextParts) {
  json body = chat_body("bytes");
  body["messages"][0]["content"].push_back({{"type", "text"}, {"text", "What is"}});
  body["messages"][0]["content"].push_back({{"type", "text"}, {"text", "this?"}});
  body["task"] = "vqa";
  const ChatRequest request = parse_chat(body);
  EXPECT_EQ(request.caption.image, "bytes");
  EXPECT_EQ(request.caption.prompt.text, "What is\nthis?");
  EXPECT_EQ(request.caption.prompt.task, "vqa");
}

// A body with some of its bytes changed, dropped or doubled.
std::string mutated(std::string text, std::mt19937& random) {
  static const std::string_view kPieces[] = {"{",       "}",     "[",        "]",    "null",
                                             "-1",      "1e999", "\"",       ":",    ",",
                                             "\\u0000", "data:", ";base64,", "\xff", "99999999999999999999",
                                             "true"};
  const auto draw = [&](size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); };
  for (size_t i = 0; i < 1 + draw(6) && !text.empty(); ++i) {
    const size_t at = draw(text.size());
    switch (draw(4)) {
      case 0:
        text[at] = char(draw(256));
        break;
      case 1:
        text.erase(at, 1 + draw(8));
        break;
      case 2:
        text.insert(at, kPieces[draw(std::size(kPieces))]);
        break;
      default:
        text.insert(at, text.substr(draw(text.size()), draw(40)));
    }
  }
  return text;
}

// Whatever is sent is read or refused, never anything else.
TEST(RequestBodies, MutatedAreReadOrRefused) {
  json chat = chat_body("some bytes");
  chat.update(
      {{"stream", true}, {"stop", {"a"}}, {"temperature", 1}, {"response_format", {{"type", "text"}}}});
  const json task{{"inputs", "aGVsbG8="},
                  {"parameters", {{"num_beams", 2}, {"generate_kwargs", {{"seed", 1}}}}}};
  const json embedding{{"input", {"a", {{"image", data_uri("bytes")}}}}, {"encoding_format", "base64"}};
  std::mt19937 random(1);
  int read = 0;
  for (int i = 0; i < 30'000; ++i) {
    const json& seed = i % 3 == 0 ? chat : i % 3 == 1 ? task : embedding;
    HttpRequest request;
    request.body = mutated(seed.dump(), random);
    try {
      if (i % 3 == 0) parse_chat(parse_body(request.body, kLimits));
      if (i % 3 == 1) parse_task(request, kLimits);
      if (i % 3 == 2) parse_embedding(parse_body(request.body, kLimits));
      ++read;
    } catch (const ApiError& error) {
      EXPECT_FALSE(error.message.empty());
    }
  }
  EXPECT_GT(read, 100);
}

TEST(Access, SecretsAreEqualOrNot) {
  EXPECT_TRUE(equal_secrets("key", "key"));
  for (const char* other : {"", "ke", "kez", "keykey", "KEY"}) EXPECT_FALSE(equal_secrets(other, "key"));
}

TEST(Access, OtherNamesOfThisMachineAreRefused) {
  const Access access{"127.0.0.1", {}, {}};
  HttpRequest request;
  request.method = "GET";
  for (const char* host : {"127.0.0.1:8080", "localhost", "localhost:1", "[::1]:8080", ""}) {
    request.headers["host"] = host;
    EXPECT_FALSE(access.refusal(request, false)) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "[", "[::2]"}) {
    request.headers["host"] = host;
    EXPECT_TRUE(access.refusal(request, false)) << host;
  }
}

TEST(Base64, ThereAndBack) {
  for (size_t size = 0; size < 64; ++size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes.push_back(char(i * 37 + size));
    EXPECT_EQ(loader::decode_base64(loader::encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(loader::decode_base64("aGVs\r\nbG8"), "hello");
  for (const char* wrong : {"a", "aGV$", "aG=V", "aGVsbG8=x"})
    EXPECT_FALSE(loader::decode_base64(wrong)) << wrong;
}

}  // namespace
}  // namespace vulcap::testing
