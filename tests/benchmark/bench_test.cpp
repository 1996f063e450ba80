// `vulcap bench` as its user runs it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "apps/benchmark/scratch_folder.h"
#include "tests/apps/program.h"

namespace vulcap::testing {
namespace {

namespace fs = std::filesystem;
using apps::ScratchFolder;
using nlohmann::json;

const std::string kSamples = VULCAP_SOURCE_DIR "/models/scenes-vit-gpt2/expected/images/";
// One picture; --starts is left to each test.
const Arguments kShort{"bench", kSamples + "scene_000.png", "-r", "2"};

Arguments with(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string text_of(const fs::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::map<std::string, json> by_phase(const std::string& lines) {
  std::map<std::string, json> records;
  for (const std::string& line : lines_of(lines)) {
    const json record = json::parse(line);
    records[record.at("phase")] = record;
  }
  return records;
}

TEST(Bench, MeasuresEveryPhase) {
  const Outcome outcome = run_vulcap(with(kShort, {"--device", "cpu", "-o", "jsonl", "--starts", "1"}));
  ASSERT_TRUE(exits(outcome, 0));
  const auto records = by_phase(outcome.out);
  for (const char* phase : {"start_cold", "start_warm", "load", "decode_image", "preprocess", "encode",
                            "prefill", "decode_token", "tokenize", "graphs", "image"}) {
    ASSERT_TRUE(records.count(phase)) << phase;
    const json& record = records.at(phase);
    EXPECT_GT(record.at("median_ns").get<int64_t>(), 0) << phase;
    EXPECT_LE(record.at("median_ns"), record.at("p95_ns")) << phase;
    const bool is_start = std::string(phase).starts_with("start") || std::string(phase) == "load";
    EXPECT_EQ(record.at("samples_ns").size(), is_start ? 1u : 2u) << phase;
    EXPECT_EQ(record.at("output_sha256").get<std::string>().size(), 64u);
    EXPECT_EQ(record.at("n_image"), 1);
    EXPECT_GT(record.at("peak_rss"), 1000000);
  }
  const auto ns = [&](const char* phase) { return records.at(phase).at("median_ns").get<double>(); };
  EXPECT_LT(ns("encode") + ns("prefill"), ns("graphs"));
  EXPECT_LT(ns("graphs"), ns("image"));
  EXPECT_LT(ns("image"), ns("start_warm"));
}

TEST(Bench, SweepsAndSaysThatCaptionsAreTheSame) {
  const Outcome outcome =
      run_vulcap({"bench", kSamples + "scene_000.png", kSamples + "scene_004.jpg", "-r", "1", "--starts", "0",
                  "--device", "cpu", "-b", "1-2", "--num-beams", "1,3"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("### All settings"), std::string::npos) << outcome.out;
  for (const char* settings : {"batch 1, 1 beam", "batch 2, 1 beam", "batch 1, 3 beams", "batch 2, 3 beams"})
    EXPECT_NE(outcome.out.find(settings), std::string::npos) << settings;
  EXPECT_EQ(outcome.out.find("no: "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("yes"), std::string::npos);
}

TEST(Bench, StopsAtTheAskedNumberOfTokens) {
  const Outcome outcome =
      run_vulcap(with(kShort, {"--device", "cpu", "-n", "4", "-o", "jsonl", "--starts", "0"}));
  ASSERT_TRUE(exits(outcome, 0));
  const auto records = by_phase(outcome.out);
  EXPECT_EQ(records.at("image").at("n_gen"), 4);
  EXPECT_EQ(records.count("start_warm"), 0u);
}

class BenchFormat : public ::testing::TestWithParam<const char*> {};

TEST_P(BenchFormat, IsWhatItSays) {
  const std::string format = GetParam();
  const Outcome outcome = run_vulcap(with(kShort, {"--device", "cpu", "--starts", "0", "-o", format}));
  ASSERT_TRUE(exits(outcome, 0));
  if (format == "json") {
    const json records = json::parse(outcome.out);
    EXPECT_EQ(records.size(), 9u);
  } else if (format == "csv") {
    const auto lines = lines_of(outcome.out);
    ASSERT_EQ(lines.size(), 10u);
    EXPECT_TRUE(lines[0].starts_with("build_commit,build_number,cpu_info,gpu_info")) << lines[0];
  } else if (format == "sql") {
    EXPECT_TRUE(outcome.out.starts_with("CREATE TABLE IF NOT EXISTS vulcap_bench (")) << outcome.out;
    EXPECT_NE(outcome.out.find("INSERT INTO vulcap_bench"), std::string::npos);
  } else {
    EXPECT_NE(outcome.out.find("| encode"), std::string::npos) << outcome.out;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, BenchFormat, ::testing::Values("md", "csv", "json", "sql"));

TEST(Bench, WritesPageAndTrace) {
  const ScratchFolder folder;
  const fs::path page = folder.path() / "page.html", trace = folder.path() / "trace.json";
  const Outcome outcome = run_vulcap(with(kShort, {"--device", "cpu", "--html", page.string(), "--profile",
                                                   trace.string(), "-b", "1,2", "--starts", "1"}));
  ASSERT_TRUE(exits(outcome, 0));
  const std::string html = text_of(page);
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_NE(html.find("Images a second by batch size"), std::string::npos);
  EXPECT_NE(html.find("data:image/png;base64,"), std::string::npos);
  for (const char* elsewhere : {"http:", "https:", "<script", "@import", "url("})
    EXPECT_EQ(html.find(elsewhere), std::string::npos) << elsewhere;
  EXPECT_EQ(html.find("nan"), std::string::npos);

  const json events = json::parse(text_of(trace)).at("traceEvents");
  std::set<std::string> names;
  for (const json& event : events) {
    names.insert(event.at("name"));
    if (event.at("ph") != "X") continue;
    EXPECT_GE(event.at("ts").get<double>(), 0);
    EXPECT_GE(event.at("dur").get<double>(), 0);
    EXPECT_GT(event.at("pid").get<int>(), 0);
  }
  for (const char* name : {"process_name", "encode", "prefill", "token 1", "matmul.f32.f32"})
    EXPECT_TRUE(names.count(name)) << name;
}

TEST(Bench, RefusesWhatItCannotDo) {
  EXPECT_TRUE(refuses(run_vulcap({"bench", "-b", "0"}), 2, {"--batch-size", "'0'"}));
  EXPECT_TRUE(refuses(run_vulcap({"bench", "no-such.png"}), 2, {"no-such.png"}));
  EXPECT_TRUE(refuses(run_vulcap({"bench", "--peers", "nobody"}), 2, {"nobody", "ort-cpu"}));
  EXPECT_TRUE(refuses(run_vulcap({"bench", "--html", "/no/such/folder/page.html"}), 2, {"/no/such/folder"}));
  EXPECT_TRUE(refuses(run_vulcap({"bench", "--device", "nonsense"}), 2, {"nonsense"}));
  EXPECT_TRUE(refuses(run_vulcap({"bench", "-m", VULCAP_SOURCE_DIR "/docs"}), 3, {"config.json"}));
  EXPECT_TRUE(
      refuses(run_vulcap({"bench", VULCAP_SOURCE_DIR "/README.md", "--starts", "0"}), 1, {"README.md"}));
}

// ---- a peer that is a shell script

class BenchPeer : public ::testing::Test {
 protected:
  // Speaks as a peer does; `ids` are what it says of one image.
  std::string script(const std::string& ids, const std::string& body = "") {
    const fs::path path = folder_.path() / "peer.sh";
    std::ofstream(path)
        << "#!/bin/sh\n"
        << body << "echo '{\"engine\": \"peer 1.0\", \"device\": \"cpu\", \"load\": 0.5}'\n"
        << "while read line; do echo '{\"wall\": 1, \"images\": [{\"encode\": 0.5, \"prefill\": 0.25, "
           "\"steps\": [0.125, 0.125]}], \"ids\": [["
        << ids << "]]}'; done\n";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }
  Outcome bench(const std::string& program) {
    return run_vulcap(with(
        kShort, {"--device", "cpu", "--peers", "ort-cpu", "--python", program, "-n", "2", "--starts", "1"}));
  }

  ScratchFolder folder_;
};

TEST_F(BenchPeer, StandsBesideWithRatios) {
  const json first = json::parse(
      run_vulcap({"caption", "--device", "cpu", "--format", "json", "-n", "2", kSamples + "scene_000.png"})
          .out);
  std::string ids;
  for (const json& id : first[0]["captions"][0]["ids"]) ids += (ids.empty() ? "" : ", ") + id.dump();
  const Outcome outcome = bench(script(ids));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("cpu / ort-cpu"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("peer 1.0"), std::string::npos);
  EXPECT_NE(outcome.out.find("yes"), std::string::npos);
}

TEST_F(BenchPeer, OtherCaptionsEndWithAMismatch) {
  const Outcome outcome = bench(script("0, 1, 2"));
  ASSERT_TRUE(exits(outcome, 6));
  EXPECT_NE(outcome.out.find("no: 0 of 1"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("other captions"), std::string::npos) << outcome.err;
}

TEST_F(BenchPeer, FailureIsToldInOneLine) {
  const std::string program = script("", "echo 'no module named onnxruntime' >&2\nexit 1\n");
  EXPECT_TRUE(refuses(bench(program), 1, {"ort-cpu", "no module named onnxruntime"}));
  EXPECT_TRUE(refuses(bench("/no/such/python"), 1, {"/no/such/python"}));
}

TEST(BenchGraph, TimesOneGraph) {
  const Outcome outcome = run_vulcap(
      {"bench", "--graph", VULCAP_SOURCE_DIR "/models/scenes-vit-gpt2/onnx/encoder_model.onnx", "--dim",
       "height=96", "--dim", "width=96", "--device", "cpu", "-r", "2", "-o", "json", "--profile"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(json::parse(outcome.out).at("run_seconds").size(), 2u);
  EXPECT_NE(outcome.err.find("matmul.f32"), std::string::npos) << outcome.err;
}

using BenchVulkan = VulkanProgramTest;

TEST_F(BenchVulkan, StandsBesideTheCpu) {
  const Outcome outcome =
      run_vulcap(with(kShort, {"--device", "cpu,vulkan", "--starts", "1"}), {}, std::chrono::seconds(300));
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("cpu / vulkan:0"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("yes"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::testing
