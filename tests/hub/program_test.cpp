// `vulcap pull`, `vulcap push`, `vulcap cache` and models named as on a hub, as a user runs them.
#include "tests/apps/program.h"

#include <algorithm>
#include <csignal>

#include "tests/apps/model_folder.h"
#include "tests/hub/hub_server.h"

namespace vulcap::testing {
namespace {

class HubProgram : public ::testing::Test {
 protected:
  HubProgram() {
    copy_tiny_model(folder / "model");
    server.add_folder(folder / "model");
    environment = {{"HF_ENDPOINT", server.endpoint()}, {"HF_HOME", (folder / "home").string()}};
  }

  Outcome run(const Arguments& arguments) const { return run_vulcap(arguments, environment); }
  Outcome caption(const std::string& flag, const std::string& model, const Arguments& more = {}) const {
    Arguments arguments = {"caption", flag, model, "--device", "cpu", kSampleImage.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

  TempFolder folder;
  HubServer server;
  Environment environment;
};

TEST_F(HubProgram, PullPrintsTheFolder) {
  const Outcome outcome = run({"pull", "org/model"});
  ASSERT_TRUE(exits(outcome, 0));
  const fs::path snapshot = folder / "home/hub/models--org--model/snapshots" / server.commit;
  EXPECT_EQ(outcome.out, snapshot.string() + "\n");
  EXPECT_TRUE(fs::exists(snapshot / "config.json"));
}

TEST_F(HubProgram, AModelOfAHubCaptionsAsItsFolder) {
  const Outcome expected = caption("-m", (folder / "model").string());
  ASSERT_TRUE(exits(expected, 0));
  const Outcome first = caption("-m", "org/model");
  ASSERT_TRUE(exits(first, 0));
  EXPECT_EQ(first.out, expected.out);
  EXPECT_NE(first.err.find("downloading it"), std::string::npos);
  const size_t asked = server.seen().size();
  const Outcome again = caption("-hf", "org/model:fp32");
  EXPECT_EQ(again.out, expected.out);
  EXPECT_EQ(server.seen().size(), asked) << "the cache was enough";
  EXPECT_EQ(caption("-m", "org/model", {"--offline"}).out, expected.out);
}

TEST_F(HubProgram, OfflineWithoutACopyIsRefused) {
  environment["HF_HUB_OFFLINE"] = "1";
  EXPECT_TRUE(
      refuses(caption("-m", "org/model"), 3, {"org/model", "offline is set", "vulcap pull org/model"}));
  EXPECT_TRUE(refuses(run({"pull", "org/model"}), 3, {"offline is set"}));
  EXPECT_TRUE(server.seen().empty());
}

TEST_F(HubProgram, WrongNamesAreRefused) {
  EXPECT_TRUE(refuses(run({"pull", "a/b/c"}), 2, {"'a/b/c' is no repository"}));
  EXPECT_TRUE(refuses(run({"pull", "org/other"}), 3, {"org/other is not on " + server.endpoint()}));
  EXPECT_TRUE(refuses(run({"pull", "org/model:q4"}), 3, {"no .onnx file of dtype q4; there are fp32"}));
  EXPECT_TRUE(refuses(run({"pull", "org/model:q9"}), 2, {"unknown dtype \"q9\""}));
  EXPECT_TRUE(refuses(caption("-m", "org/model:q8", {"--dtype", "q4"}), 2, {"contradict"}));
  EXPECT_TRUE(refuses(caption("-m", "org/model", {"-hf", "org/model"}), 2, {"two models"}));
  EXPECT_TRUE(refuses(caption("-m", "/no/such/folder"), 3, {"/no/such/folder"}));
}

TEST_F(HubProgram, ListShowsWhatWouldCome) {
  server.add("README.md", "text");
  const Outcome before = run({"pull", "org/model", "--list"});
  ASSERT_TRUE(exits(before, 0));
  EXPECT_NE(before.out.find("wanted  encoder_model.onnx"), std::string::npos) << before.out;
  EXPECT_NE(before.out.find("        README.md"), std::string::npos) << before.out;
  EXPECT_FALSE(fs::exists(folder / "home/hub/models--org--model"));
  run({"pull", "org/model"});
  const Outcome after = run({"pull", "org/model", "--list"});
  EXPECT_NE(after.out.find("cached  encoder_model.onnx"), std::string::npos) << after.out;
}

TEST_F(HubProgram, ProgressAsJson) {
  const Outcome outcome = run({"pull", "org/model", "--progress", "json"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.err.find("\"unit\":\"bytes\""), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("\"progress\":100"), std::string::npos) << outcome.err;
}

TEST_F(HubProgram, TheCacheIsListedAndCleared) {
  ASSERT_TRUE(exits(run({"pull", "org/model"}), 0));
  const Outcome listed = run({"cache"});
  EXPECT_NE(listed.out.find("org/model"), std::string::npos);
  EXPECT_NE(listed.out.find("fp32"), std::string::npos);
  EXPECT_NE(run({"cache", "--format", "json"}).out.find("\"revisions\""), std::string::npos);
  EXPECT_TRUE(refuses(run({"cache", "--remove", "org/other"}), 1, {"org/other is not in the cache"}));
  ASSERT_TRUE(exits(run({"cache", "--remove", "org/model"}), 0));
  EXPECT_FALSE(fs::exists(folder / "home/hub/models--org--model"));
  EXPECT_EQ(run({"cache"}).out, "");
}

TEST_F(HubProgram, AKilledPullGoesOn) {
  const std::string big(8'000'000, 'z');
  server.add("big.bin", big, true);
  server.fail("big.bin", {.cut_after = 4'000'000});
  server.fail("big.bin", {.wait_ms = 1500});
  const fs::path incomplete = folder / "home/hub/models--org--model/blobs" / (sha256_of(big) + ".incomplete");
  {
    ChildProcess child(VULCAP_PROGRAM, {"pull", "org/model", "big.bin"}, program_environment(environment));
    for (int i = 0; i < 500 && (!fs::exists(incomplete) || fs::file_size(incomplete) < 4'000'000); ++i)
      child.finishes_within(std::chrono::milliseconds(10));
    child.send(SIGKILL);
  }
  ASSERT_EQ(fs::file_size(incomplete), 4'000'000u);
  ASSERT_TRUE(exits(run({"pull", "org/model", "big.bin"}), 0));
  EXPECT_TRUE(read_file(folder / "home/hub/models--org--model/blobs" / sha256_of(big)) == big);
  EXPECT_EQ(server.seen().back().range, "bytes=4000000-");
}

class PushProgram : public HubProgram {
 protected:
  PushProgram() {
    server.token = environment["HF_TOKEN"] = "secret";
    environment["XDG_CACHE_HOME"] = (folder / "cache").string();
  }
  Outcome push(const Arguments& more) const {
    Arguments arguments = {"push", "me/model", (folder / "model").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  // Whether an upload in parts is kept in mind.
  bool has_notes() const {
    std::error_code none;
    const fs::directory_iterator notes(folder / "cache/vulcap/uploads", none);
    return std::any_of(begin(notes), end(notes),
                       [](const auto& entry) { return entry.path().extension() == ".json"; });
  }
};

TEST_F(PushProgram, WhatIsPushedCanBePulled) {
  server.part_size = 20'000;
  const Outcome outcome = push({"--message", "Tiny model"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.out, server.endpoint() + "/me/model/commit/" + server.commit + "\n");
  EXPECT_NE(outcome.err.find("me/model: made on"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("no README.md; vulcap card writes one"), std::string::npos) << outcome.err;
  ASSERT_EQ(server.commits().size(), 1u);
  EXPECT_EQ(server.commits()[0].summary, "Tiny model");
  const Outcome expected = caption("-m", (folder / "model").string());
  EXPECT_EQ(caption("-m", "me/model").out, expected.out);
  EXPECT_NE(push({}).err.find("has all of it already: no commit"), std::string::npos);
}

TEST_F(PushProgram, ResultsAndProgressAsJson) {
  const Outcome outcome = push({"--format", "json", "--progress", "json"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("\"commit\":\"" + server.commit + "\""), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("\"task\":\"me/model upload\""), std::string::npos) << outcome.err;
}

TEST_F(PushProgram, ADryRunAsksNothing) {
  const Outcome outcome = push({"--dry-run", "--exclude", "*.json"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find("  encoder_model.onnx\n"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find("config.json"), std::string::npos) << outcome.out;
  EXPECT_TRUE(server.seen().empty());
}

TEST_F(PushProgram, BadInputIsOneLine) {
  EXPECT_TRUE(refuses(push({"--hf-token", "wrong"}), 1, {"me/model: not pushed", "token is not valid"}));
  environment.erase("HF_TOKEN");
  EXPECT_TRUE(refuses(push({}), 2, {"there is no token"}));
  EXPECT_TRUE(refuses(run({"push", "model", (folder / "model").string()}), 2, {"write org/name"}));
  EXPECT_TRUE(refuses(run({"push", "me/model", "/no/such"}), 3, {"/no/such is no folder"}));
  EXPECT_TRUE(refuses(push({"--exclude", "*"}), 3, {"has no file to push"}));
}

TEST_F(PushProgram, WeightsThatAreMissingAreRefused) {
  write_file(folder / "outside/model.onnx", read_file(kTestData / "onnx/external.onnx"));
  EXPECT_TRUE(refuses(run({"push", "me/model", (folder / "outside").string()}), 3,
                      {"keeps weights in 'model_fp32.onnx.data'", "not among the files to push"}));
  EXPECT_TRUE(server.seen().empty());
}

TEST_F(PushProgram, AKilledPushGoesOn) {
  std::string big(8'000'000, '\0');
  for (size_t i = 0; i < big.size(); ++i) big[i] = char(i * 2654435761u >> 16);
  write_file(folder / "model/big.bin", big);
  server.part_size = 1'000'000;
  server.fail("part", {.times = 3});
  server.fail("part", {.times = 20, .wait_ms = 1500});
  {
    ChildProcess child(VULCAP_PROGRAM,
                       {"push", "me/model", (folder / "model").string(), "--include", "big.bin"},
                       program_environment(environment));
    for (int i = 0; i < 500 && !has_notes(); ++i) child.finishes_within(std::chrono::milliseconds(10));
    child.send(SIGKILL);
  }
  server.forgive();
  ASSERT_TRUE(has_notes());
  const Outcome outcome = push({"--include", "big.bin"});
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.err.find("going on after"), std::string::npos) << outcome.err;
  EXPECT_TRUE(server.commits().at(0).files.at("big.bin") == big);
}

}  // namespace
}  // namespace vulcap::testing
