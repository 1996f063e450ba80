// vulcap serve as its clients see it.
#include <gtest/gtest.h>
#include <signal.h>
#include <zlib.h>

#include <future>
#include <thread>

#include "loader/base64.h"
#include "tests/apps/model_folder.h"
#include "tests/serve/load.h"
#include "tests/serve/server.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;

const Server& shared_server() {
  static const Server server({"--metrics", "--alias", "scenes", "--max-body", "2000000"});
  return server;
}

std::vector<json> events_in(const std::string& body) {
  std::vector<json> events;
  for (const std::string& line : lines_of(body)) {
    if (line.starts_with("data: {")) events.push_back(json::parse(line.substr(6)));
  }
  return events;
}

TEST(Serve, CaptionsBytesAndBase64) {
  const Sample& sample = samples()[0];
  const json expected = json::array({{{"generated_text", sample.caption}}});
  const std::string coded = json{{"inputs", loader::encode_base64(sample.bytes)}}.dump();
  for (const std::string path : {"/", "/models/scenes"}) {
    for (const std::string& body : {sample.bytes, coded}) {
      const auto result = shared_server().post(path, body);
      ASSERT_TRUE(result);
      EXPECT_EQ(result->status, 200);
      EXPECT_EQ(json::parse(result->body), expected);
    }
  }
}

TEST(Serve, TakesSettingsInTheQueryAndInParameters) {
  const Sample& sample = samples()[1];
  const auto by_query =
      shared_server().post("/?num_beams=3&num_return_sequences=2&max-new-tokens=5", sample.bytes);
  const json body{
      {"inputs", data_uri(sample.bytes)},
      {"parameters",
       {{"num_return_sequences", 2}, {"generation_parameters", {{"num_beams", 3}, {"max_new_tokens", 5}}}}}};
  const auto by_body = shared_server().post("/", body.dump());
  ASSERT_TRUE(by_query && by_body);
  EXPECT_EQ(by_query->body, by_body->body);
  EXPECT_EQ(json::parse(by_body->body).size(), 2U) << by_body->body;
}

TEST(Serve, CompletesChats) {
  const Sample& sample = samples()[2];
  json body = chat_body(sample.bytes);
  body["model"] = "scenes";
  const json answer = shared_server().chat(body);
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], sample.caption);
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 1);
  EXPECT_EQ(answer["usage"]["completion_tokens"], answer["vulcap"]["captions"][0]["ids"].size() - 1);
  body["max_tokens"] = 3;
  EXPECT_EQ(shared_server().chat(body)["choices"][0]["finish_reason"], "length");
}

TEST(Serve, StreamsChats) {
  const Sample& sample = samples()[3];
  json body = chat_body(sample.bytes);
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  const auto result = shared_server().post("/v1/chat/completions", body.dump());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->get_header_value("Content-Type"), "text/event-stream");
  EXPECT_TRUE(result->body.ends_with("data: [DONE]\n\n"));
  std::string text;
  const std::vector<json> events = events_in(result->body);
  ASSERT_GT(events.size(), 8U);
  for (const json& event : events) {
    if (!event["choices"].empty()) text += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, sample.caption);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events[events.size() - 2]["choices"][0]["finish_reason"], "stop");
  EXPECT_GT(events.back()["usage"]["completion_tokens"], 8);
}

TEST(Serve, StreamsWhatComesOnlyWhole) {
  json body = chat_body(samples()[4].bytes);
  body.update({{"stream", true}, {"num_beams", 3}, {"n", 2}});
  const auto result = shared_server().post("/v1/chat/completions", body.dump());
  ASSERT_TRUE(result);
  body["stream"] = false;
  const json whole = shared_server().chat(body);
  std::map<int, std::string> texts;
  for (const json& event : events_in(result->body)) {
    for (const json& choice : event["choices"])
      texts[choice["index"]] += choice["delta"].value("content", "");
  }
  for (const json& choice : whole["choices"]) EXPECT_EQ(texts[choice["index"]], choice["message"]["content"]);
  EXPECT_EQ(texts.size(), 2U);
}

TEST(Serve, SampledTextIsThatOfItsSeed) {
  json body = chat_body(samples()[5].bytes);
  body.update({{"temperature", 1.5}, {"seed", 7}});
  const json first = shared_server().chat(body)["choices"];
  EXPECT_EQ(shared_server().chat(body)["choices"], first);
  body["temperature"] = 0;
  EXPECT_EQ(shared_server().chat(body)["choices"][0]["message"]["content"], samples()[5].caption);
}

TEST(Serve, SaysWhatItIs) {
  auto client = shared_server().client();
  EXPECT_EQ(client.Get("/health")->body, "{\"status\":\"ok\"}\n");
  const json models = json::parse(client.Get("/v1/models")->body);
  EXPECT_EQ(models["data"][0]["id"], "scenes");
  const auto page = client.Get("/");
  EXPECT_NE(page->body.find("page.js"), std::string::npos);
  EXPECT_NE(page->get_header_value("Content-Security-Policy"), "");
  EXPECT_EQ(client.Get("/page.js")->get_header_value("Content-Type"), "text/javascript; charset=utf-8");
  const std::string metrics = client.Get("/metrics")->body;
  EXPECT_NE(metrics.find("vulcap_requests_total{route=\"/health\",status=\"200\"}"), std::string::npos)
      << metrics;
}

struct Refused {
  const char* name;
  std::string request;  // as it goes over the wire
  int status;
  const char* message;
};

std::string posted(const std::string& path, const std::string& body, const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string asked(const json& body) { return posted("/v1/chat/completions", body.dump()); }

json with(const json& changes) {
  json body = chat_body(samples()[0].bytes);
  body.update(changes);
  return body;
}

std::string zipped(const std::string& text) {
  std::string bytes(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = uInt(bytes.size());
  deflate(&stream, Z_FINISH);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  return bytes;
}

std::vector<Refused> refused_requests() {
  const json url_part{{"type", "image_url"}, {"image_url", {{"url", "http://169.254.169.254/x.png"}}}};
  const json by_url{{"messages", {{{"role", "user"}, {"content", {url_part}}}}}};
  json twice = chat_body(samples()[0].bytes);
  twice["messages"].push_back(twice["messages"][0]);
  const std::string deep = std::string(70, '[') + std::string(70, ']');
  std::string many = "{\"a\": [0";
  for (int i = 0; i < 100'000; ++i) many += ",0";
  return {
      {"no_such_path", "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "there is nothing at"},
      {"post_elsewhere", posted("/v1/completions", "{}"), 404, "nothing at '/v1/completions'"},
      {"get_chat", "GET /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "POST"},
      {"delete", "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "DELETE"},
      {"no_length", "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 411, "Content-Length"},
      {"negative_length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400,
       "no length"},
      {"too_large", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n", 413,
       "--max-body"},
      {"zip_bomb", posted("/", zipped(std::string(30'000'000, 'x')), "Content-Encoding: gzip\r\n"), 413,
       "larger"},
      {"form", posted("/", "x", "Content-Type: multipart/form-data; boundary=b\r\n"), 415, "--data-binary"},
      {"long_head", "GET / HTTP/1.1\r\nA: " + std::string(20'000, 'x') + "\r\n\r\n", 431, "16384 bytes"},
      {"long_path", "GET /" + std::string(5'000, 'x') + " HTTP/1.1\r\n\r\n", 414, "2048"},
      {"no_http", "hello\r\n\r\n", 400, "not HTTP"},
      {"other_host", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "evil.example"},
      {"other_origin", posted("/", "x", "Origin: http://evil.example\r\n"), 403, "--allow-origin"},
      {"empty", posted("/", ""), 400, "there is no image"},
      {"no_image_bytes", posted("/", "hello"), 400, "not a PNG or JPEG image"},
      {"cut_image", posted("/", samples()[0].bytes.substr(0, 700)), 400, "the image: "},
      {"unknown_setting", posted("/?speed=9", samples()[0].bytes), 400, "speed: is no setting"},
      {"bad_setting", posted("/?num_beams=-1", samples()[0].bytes), 400, "num_beams"},
      {"other_model", posted("/models/blip", samples()[0].bytes), 404, "this server has 'scenes'"},
      {"no_json", posted("/v1/chat/completions", "{\"messages\": "), 400, "byte 14"},
      {"deep_json", posted("/v1/chat/completions", deep), 400, "deeper than 64"},
      {"much_json", posted("/v1/chat/completions", many + "]}"), 400, "more than 100000 values"},
      {"huge_number", posted("/v1/chat/completions", "{\"n\": 1e999}"), 400, "number"},
      {"list", posted("/v1/chat/completions", "[1]"), 400, "must be a JSON object"},
      {"no_messages", asked({{"model", "scenes"}}), 400, "messages: must be a list"},
      {"no_image", asked({{"messages", {{{"role", "user"}, {"content", "hello"}}}}}), 400,
       "there is no image"},
      {"url", asked(by_url), 400, "fetches no addresses"},
      {"two_messages", asked(twice), 400, "one image at a time"},
      {"model", asked(with({{"model", "gpt-4o"}})), 404, "this server has 'scenes'"},
      {"tools", asked(with({{"tools", {{{"type", "function"}}}}})), 400, "tools: is not supported"},
      {"unknown", asked(with({{"speed", 9}})), 400, "speed: is no field"},
      {"huge_n", asked(with({{"n", 1'000'000'000'000}})), 400, "num"},
      {"huge_tokens", asked(with({{"max_tokens", 9'000'000'000'000'000'000}})), 400, ""},
      {"negative_tokens", asked(with({{"max_tokens", -5}})), 400, "max"},
      {"text_tokens", asked(with({{"max_tokens", "many"}})), 400, "max"},
      {"prompt_object", asked(with({{"task", {1}}})), 400, "task: must be a string"},
      {"embeddings", posted("/v1/embeddings", "{\"input\": \"x\"}"), 400, "makes texts, not vectors"},
  };
}

class ServeRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(ServeRefuses, WithAReason) {
  const std::string answer = raw_exchange(shared_server().port(), GetParam().request);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(GetParam().status) + " ")) << answer;
  const size_t body = answer.find("\r\n\r\n");
  ASSERT_NE(body, std::string::npos);
  const json parsed = json::parse(answer.substr(body + 4), nullptr, false);
  ASSERT_TRUE(parsed.is_object()) << answer;
  EXPECT_NE(parsed["error"].dump().find(GetParam().message), std::string::npos) << answer;
}

INSTANTIATE_TEST_SUITE_P(Table, ServeRefuses, ::testing::ValuesIn(refused_requests()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Serve, AnswersManyClientsAsIfTheyWereAlone) {
  const LoadPlan plan = LoadPlan::from_environment();
  const LoadOutcome outcome = run_load(shared_server().port(), plan);
  EXPECT_TRUE(outcome.wrong.empty()) << outcome.wrong.size() << " wrong, first: " << outcome.wrong[0];
  EXPECT_GE(outcome.good, size_t(plan.clients)) << outcome.summary(plan);
  EXPECT_GT(outcome.malformed, 0U);
  std::printf("%s\n", outcome.summary(plan).c_str());
}

TEST(Serve, EmbedsTextsAndImages) {
  const Server server({"-m", (kTestData / "families/clip-zero-shot").string(), "--alias", "clip"});
  const json body{{"input", {"a cat", json{{"image", data_uri(samples()[0].bytes)}}}}};
  const auto result = server.post("/v1/embeddings", body.dump());
  ASSERT_TRUE(result);
  const json answer = json::parse(result->body);
  ASSERT_EQ(answer["data"].size(), 2U) << result->body;
  const auto vector = answer["data"][0]["embedding"].get<std::vector<float>>();
  EXPECT_EQ(vector.size(), answer["data"][1]["embedding"].size());
  EXPECT_GT(answer["usage"]["total_tokens"], 2);
  const json coded{{"input", "a cat"}, {"encoding_format", "base64"}};
  const json packed = json::parse(server.post("/v1/embeddings", coded.dump())->body);
  const auto bytes = loader::decode_base64(packed["data"][0]["embedding"].get<std::string>());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(vector.data()), vector.size() * 4), bytes.value_or(""));
  EXPECT_EQ(server.post("/v1/chat/completions", chat_body(samples()[0].bytes).dump())->status, 400);
  EXPECT_EQ(server.post("/v1/embeddings", R"({"input": [[1, 2]]})")->status, 400);
}

TEST(Serve, AsksForTheKey) {
  const TempFolder folder;
  write_file(folder / "keys", "first\nsecond\n");
  const Server server(
      {"--api-key-file", (folder / "keys").string(), "--allow-origin", "http://pages.example"});
  const auto status = [&](const httplib::Headers& headers) {
    return server.post("/", samples()[0].bytes, headers)->status;
  };
  EXPECT_EQ(status({}), 401);
  EXPECT_EQ(status({{"Authorization", "Bearer third"}}), 401);
  EXPECT_EQ(status({{"Authorization", "Bearer second"}}), 200);
  EXPECT_EQ(status({{"Authorization", "Bearer first"}, {"Origin", "http://other.example"}}), 403);
  auto client = server.client();
  EXPECT_EQ(client.Get("/health")->status, 200);
  EXPECT_EQ(client.Get("/")->status, 200);
  EXPECT_EQ(client.Get("/v1/models")->status, 401);
  EXPECT_EQ(client.Get("/metrics", {{"Authorization", "Bearer first"}})->status, 404);
  const auto preflight = client.Options("/", {{"Origin", "http://pages.example"}});
  EXPECT_EQ(preflight->get_header_value("Access-Control-Allow-Origin"), "http://pages.example");
}

TEST(Serve, RefusesToStart) {
  EXPECT_TRUE(refuses(run_vulcap({"serve", "--host", "0.0.0.0"}), 2, {"--api-key"}));
  EXPECT_TRUE(
      refuses(run_vulcap({"serve", "--host", "no.such.host.invalid", "--api-key", "k"}), 2, {"--host"}));
  EXPECT_TRUE(refuses(run_vulcap({"serve", "--api-key-file", "/nonexistent"}), 2, {"/nonexistent"}));
  EXPECT_TRUE(refuses(run_vulcap({"serve", "-m", "/nonexistent"}), 3, {"/nonexistent"}));
  const std::string port = std::to_string(shared_server().port());
  EXPECT_TRUE(refuses(run_vulcap({"serve", "--device", "cpu", "--port", port}), 1, {port, "in use"}));
}

// One request at a time and one that waits.
TEST(Serve, TellsClientsToWaitWhenItIsFull) {
  const Server server({"-b", "1", "--max-queue", "1"});
  std::vector<std::future<httplib::Result>> answers;
  for (int i = 0; i < 12; ++i) {
    answers.push_back(
        std::async(std::launch::async, [&] { return server.post("/?num_beams=12", samples()[0].bytes); }));
  }
  int right = 0;
  int busy = 0;
  for (auto& answer : answers) {
    const auto result = answer.get();
    ASSERT_TRUE(result);
    right += result->status == 200 ? 1 : 0;
    busy += result->status == 503 && !result->get_header_value("Retry-After").empty() ? 1 : 0;
  }
  EXPECT_EQ(right + busy, 12);
  EXPECT_GE(right, 2);
  EXPECT_GE(busy, 1);
}

TEST(Serve, SlowClientsMakeRoom) {
  const Server server({"--max-connections", "4", "--header-timeout", "1"});
  std::vector<int> slow;
  for (int i = 0; i < 40; ++i) slow.push_back(raw_connection(server.port(), "GET / HTTP/1.1\r\nHost: "));
  EXPECT_EQ(server.post("/", samples()[0].bytes)->status, 200);
  const std::string last = read_all(slow.back());
  EXPECT_TRUE(last.empty() || last.starts_with("HTTP/1.1 408 ")) << last;
  for (size_t i = 0; i + 1 < slow.size(); ++i) read_all(slow[i]);
}

TEST(Serve, SlowBodiesEnd) {
  const Server server({"--body-timeout", "1"});
  const std::string answer =
      raw_exchange(server.port(), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
}

TEST(Serve, AnswersWhatIsUnderWayBeforeItStops) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Server server;
    std::vector<std::future<httplib::Result>> answers;
    for (int i = 0; i < 6; ++i) {
      answers.push_back(
          std::async(std::launch::async, [&] { return server.post("/?num_beams=8", samples()[0].bytes); }));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const int idle = raw_connection(server.port(), "GET /");
    server.send(signal);
    const Outcome outcome = server.wait();
    EXPECT_TRUE(exits(outcome, signal == SIGINT ? 130 : 143));
    EXPECT_EQ(read_all(idle), "");
    int right = 0;
    for (auto& answer : answers) {
      const auto result = answer.get();
      if (result && result->status == 200) ++right;
    }
    EXPECT_GE(right, 1);
  }
}

}  // namespace
}  // namespace vulcap::testing
