// Downloads from a hub on this machine: what lands in the cache, and what becomes of faults.
#include "loader/hub/pull.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <thread>

#include "loader/hub/cache.h"
#include "loader/onnx/external_locations.h"
#include "runtime/core/error.h"
#include "tests/apps/model_folder.h"
#include "tests/hub/hub_server.h"

namespace vulcap::testing {
namespace {

class HubPull : public ::testing::Test {
 protected:
  HubPull() {
    server.add("config.json", "{\"model_type\": \"x\"}");
    server.add("tokenizer.json", bytes_of(5000, 1));
    server.add("README.md", "not needed");
    server.add("sub folder/note.txt", "deep");
    settings.endpoint = server.endpoint();
    settings.cache = folder / "hub";
    settings.first_wait = std::chrono::milliseconds(1);
    settings.tries = 3;
    request.source.repo = "org/model";
    request.patterns = {"config.json", "tokenizer.json", "weights.bin"};
    server.add("weights.bin", weights, true);
  }

  fs::path pull() {
    hub::PullEvents events;
    events.on_plan = [this](uint64_t bytes, uint64_t before) { total = bytes, there = before; };
    events.on_bytes = [this](uint64_t bytes) { came += bytes; };
    events.on_remark = [this](const std::string& line) { remarks.push_back(line); };
    return hub::pull(settings, request, events);
  }

  // The error's code and text.
  std::pair<core::ErrorCode, std::string> failure() {
    try {
      pull();
    } catch (const core::Error& error) {
      return {error.code(), error.message()};
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
  }

  fs::path repo_dir() const { return settings.cache / "models--org--model"; }
  fs::path blob() const { return repo_dir() / "blobs" / sha256_of(weights); }
  fs::path incomplete() const { return blob().string() + ".incomplete"; }

  void expect_weights_complete() const {
    EXPECT_TRUE(read_file(blob()) == weights);
    EXPECT_FALSE(fs::exists(incomplete()));
  }

  const std::string weights = bytes_of(300'000, 7);
  TempFolder folder;
  HubServer server;
  hub::Settings settings;
  hub::PullRequest request;
  uint64_t total = 0, there = 0, came = 0;
  std::vector<std::string> remarks;
};

TEST_F(HubPull, FillsTheSharedLayout) {
  request.patterns.push_back("sub folder/*");
  const fs::path snapshot = pull();
  EXPECT_EQ(snapshot, repo_dir() / "snapshots" / server.commit);
  EXPECT_EQ(read_file(repo_dir() / "refs/main"), server.commit);
  EXPECT_EQ(fs::read_symlink(snapshot / "weights.bin"), "../../blobs/" + sha256_of(weights));
  EXPECT_EQ(fs::read_symlink(snapshot / "sub folder/note.txt"), "../../../blobs/" + git_sha1_of("deep"));
  EXPECT_TRUE(read_file(snapshot / "weights.bin") == weights);
  EXPECT_FALSE(fs::exists(snapshot / "README.md"));
  EXPECT_EQ(total, came);
  EXPECT_EQ(total, 300'000u + 5000 + 19 + 4);
}

TEST_F(HubPull, TheSecondTimeAsksForTheListingOnly) {
  pull();
  const size_t before = server.seen().size();
  pull();
  EXPECT_EQ(server.seen().size(), before + 1);
}

TEST_F(HubPull, AsksFileByFileWhereTheListingIsShort) {
  server.plain_listing = true;
  const fs::path snapshot = pull();
  expect_weights_complete();
  EXPECT_TRUE(read_file(snapshot / "tokenizer.json") == bytes_of(5000, 1));
}

TEST_F(HubPull, TheTokenStaysWithTheHub) {
  server.token = settings.token = "secret";
  pull();
  size_t on_store = 0;
  for (const SeenRequest& seen : server.seen()) {
    EXPECT_EQ(seen.authorization, seen.on_store ? "" : "Bearer secret") << seen.path;
    on_store += seen.on_store;
  }
  EXPECT_EQ(on_store, 1u);
}

TEST_F(HubPull, GoesOnWhereItStopped) {
  write_file(incomplete(), weights.substr(0, 100'000));
  pull();
  expect_weights_complete();
  const auto seen = server.seen();
  EXPECT_TRUE(std::any_of(seen.begin(), seen.end(),
                          [](const SeenRequest& one) { return one.range == "bytes=100000-"; }));
  EXPECT_EQ(there, 100'000u);
  EXPECT_EQ(came + there, total);
}

TEST_F(HubPull, ALostConnectionIsTakenUpAgain) {
  for (int i = 0; i < 6; ++i) server.fail("weights.bin", {.cut_after = 40'000});
  pull();  // more losses than tries, but each try comes further
  expect_weights_complete();
  EXPECT_EQ(server.times_sent("weights.bin"), 7u);
}

TEST_F(HubPull, AServerWithoutRangesSendsAll) {
  write_file(incomplete(), weights.substr(0, 100'000));
  server.fail("weights.bin", {.ignore_range = true});
  pull();
  expect_weights_complete();
}

TEST_F(HubPull, AnEndlesslyBreakingServerIsGivenUp) {
  server.fail("weights.bin", {.times = 100, .cut_after = 40'000, .ignore_range = true});
  const auto [code, text] = failure();
  EXPECT_EQ(code, core::ErrorCode::kRuntime);
  EXPECT_NE(text.find("org/model/weights.bin: cannot be downloaded"), text.npos) << text;
  EXPECT_LE(server.times_sent("weights.bin"), 4u);
}

TEST_F(HubPull, AnotherRangeIsRefused) {
  write_file(incomplete(), weights.substr(0, 100'000));
  server.fail("weights.bin", {.wrong_range = true});
  EXPECT_NE(failure().second.find("another range"), std::string::npos);
  pull();
  expect_weights_complete();
}

TEST_F(HubPull, LeftoversThatDoNotFitAreThrownAway) {
  for (const std::string& leftover :
       {std::string(100'000, 'x'), weights + "more", std::string(300'000, 'y')}) {
    fs::remove(blob());
    write_file(incomplete(), leftover);
    pull();
    expect_weights_complete();
  }
}

TEST_F(HubPull, ARefusedRangeBeginsAnew) {
  write_file(incomplete(), weights.substr(0, 1000));
  server.fail("weights.bin", {.status = 416});
  pull();
  expect_weights_complete();
}

TEST_F(HubPull, AWrongDigestIsTriedOnceMore) {
  server.fail("weights.bin", {.corrupt = true});
  server.fail("tokenizer.json", {.corrupt = true});
  pull();
  expect_weights_complete();
  EXPECT_EQ(remarks.size(), 2u);
  EXPECT_EQ(total, came);
}

TEST_F(HubPull, AWrongDigestTwiceIsRefused) {
  server.fail("weights.bin", {.times = 2, .corrupt = true});
  const auto [code, text] = failure();
  EXPECT_EQ(code, core::ErrorCode::kRuntime);
  EXPECT_NE(text.find("digest"), text.npos) << text;
  EXPECT_FALSE(fs::exists(blob()));
  EXPECT_FALSE(fs::exists(repo_dir() / "snapshots"));
  EXPECT_FALSE(fs::exists(repo_dir() / "refs"));
}

TEST_F(HubPull, MoreBytesThanAnnouncedAreRefused) {
  server.fail("weights.bin", {.surplus = 5});
  EXPECT_NE(failure().second.find("more than the 300000 bytes"), std::string::npos);
}

TEST_F(HubPull, PassingFaultsAreWaitedFor) {
  server.fail("", {.status = 503});
  server.fail("", {.status = 429, .retry_after = "0"});
  server.fail("weights.bin", {.status = 502});
  server.fail("config.json", {.status = 500});
  pull();
  expect_weights_complete();
}

struct Refusal {
  Fault fault;
  core::ErrorCode code;
  std::string part;
};

TEST_F(HubPull, RefusalsSayWhatToDo) {
  const std::vector<Refusal> refusals = {
      {{.status = 401, .error_code = "GatedRepo"},
       core::ErrorCode::kRuntime,
       "is gated: accept its terms on"},
      {{.status = 403, .error_code = "GatedRepo"}, core::ErrorCode::kRuntime, "is gated"},
      {{.status = 401, .error_code = "RepoNotFound"},
       core::ErrorCode::kInvalidModel,
       "or is private; check the name"},
      {{.status = 404, .error_code = "RevisionNotFound"},
       core::ErrorCode::kInvalidModel,
       "has no revision 'main'"},
      {{.status = 404}, core::ErrorCode::kInvalidModel, "check the name"},
      {{.status = 403, .error_message = "no\x1b[1m way"}, core::ErrorCode::kRuntime, "(\"no?[1m way\")"},
      {{.times = 3, .status = 429}, core::ErrorCode::kRuntime, "too many requests"},
      {{.status = 429, .retry_after = "4000"}, core::ErrorCode::kRuntime, "try again in 4000 s"},
      {{.times = 3, .status = 503}, core::ErrorCode::kRuntime, "answers 503; try again later"},
  };
  for (const Refusal& refusal : refusals) {
    server.fail("", refusal.fault);
    const auto [code, text] = failure();
    EXPECT_EQ(code, refusal.code) << text;
    EXPECT_NE(text.find(refusal.part), text.npos) << text;
    EXPECT_TRUE(text.starts_with("org/model ")) << text;
    EXPECT_EQ(text.find('\n'), text.npos) << text;
  }
}

TEST_F(HubPull, ARefusedTokenIsNamed) {
  server.token = "right";
  settings.token = "wrong";
  EXPECT_NE(failure().second.find("this token has no access"), std::string::npos);
}

TEST_F(HubPull, NobodyThere) {
  settings.endpoint = "http://127.0.0.1:1";
  const auto [code, text] = failure();
  EXPECT_EQ(code, core::ErrorCode::kRuntime);
  EXPECT_NE(text.find("cannot be downloaded from http://127.0.0.1:1 ("), text.npos) << text;
}

TEST_F(HubPull, ASilentServerIsLeft) {
  settings.silence_timeout = std::chrono::seconds(1);
  settings.tries = 1;
  server.fail("weights.bin", {.wait_ms = 3000});
  EXPECT_EQ(failure().first, core::ErrorCode::kRuntime);
}

TEST_F(HubPull, RedirectsEnd) {
  server.fail(
      "weights.bin",
      {.times = 100, .redirect = server.endpoint() + "/org/model/resolve/" + server.commit + "/weights.bin"});
  EXPECT_NE(failure().second.find("more than 10 redirects"), std::string::npos);
}

TEST_F(HubPull, RedirectsToOtherProtocolsAreRefused) {
  server.fail("weights.bin", {.redirect = "file:///etc/passwd"});
  const auto [code, text] = failure();
  EXPECT_EQ(code, core::ErrorCode::kRuntime);
  EXPECT_NE(text.find("rotocol"), text.npos) << text;
}

TEST_F(HubPull, ARenamedRepositoryIsFound) {
  server.old_repo = "gone/model";
  request.source.repo = "gone/model";
  EXPECT_TRUE(fs::exists(pull() / "weights.bin"));
  EXPECT_TRUE(fs::exists(settings.cache / "models--gone--model/refs/main"));
}

TEST_F(HubPull, RevisionsWithSlashes) {
  server.revisions["refs/pr/1"] = server.commit;
  request.source.revision = "refs/pr/1";
  pull();
  EXPECT_EQ(read_file(repo_dir() / "refs/refs/pr/1"), server.commit);
  request.source.revision = server.commit;
  pull();
  EXPECT_FALSE(fs::exists(repo_dir() / "refs" / server.commit));
}

TEST_F(HubPull, HostileListingsAreRefused) {
  for (const char* name : {"../../evil", "/etc/passwd", "a\nb"}) {
    server.extra_listing = name;
    EXPECT_NE(failure().second.find("could leave its folder"), std::string::npos);
  }
}

TEST_F(HubPull, ANewCommitKeepsTheOldSnapshot) {
  const fs::path first = pull();
  server.commit = std::string(40, 'd');
  server.add("config.json", "{}");
  const fs::path second = pull();
  EXPECT_NE(first, second);
  EXPECT_EQ(read_file(second / "config.json"), "{}");
  EXPECT_NE(read_file(first / "config.json"), "{}");
  EXPECT_EQ(read_file(repo_dir() / "refs/main"), server.commit);
  EXPECT_EQ(server.times_sent("weights.bin"), 1u);
}

TEST_F(HubPull, TwoAtOnceDownloadOnce) {
  server.fail("weights.bin", {.wait_ms = 300});
  std::thread other([this] { hub::pull(settings, request, {}); });
  hub::pull(settings, request, {});
  other.join();
  expect_weights_complete();
  EXPECT_EQ(server.times_sent("weights.bin"), 1u);
}

TEST_F(HubPull, AFullDiskIsSaidAndTheBeginningStays) {
  const rlimit small{200'000, RLIM_INFINITY};
  rlimit usual{};
  getrlimit(RLIMIT_FSIZE, &usual);
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const auto [code, text] = failure();
  setrlimit(RLIMIT_FSIZE, &usual);
  EXPECT_EQ(code, core::ErrorCode::kRuntime);
  EXPECT_NE(text.find(incomplete().string() + ": cannot be written ("), text.npos) << text;
  EXPECT_EQ(fs::file_size(incomplete()), 200'000u);
  pull();
  expect_weights_complete();
}

TEST_F(HubPull, ARequestWithoutSense) {
  request.source.repo = "a/b/c";
  EXPECT_EQ(failure().first, core::ErrorCode::kUsage);
  request.source.repo = "org/model";
  request.source.revision = "../..";
  EXPECT_EQ(failure().first, core::ErrorCode::kUsage);
  request.source.revision = "main";
  request.patterns = {"absent*"};
  EXPECT_EQ(failure().first, core::ErrorCode::kInvalidModel);
  settings.offline = true;
  EXPECT_NE(failure().second.find("offline"), std::string::npos);
}

// ---- models ----

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

class HubModel : public HubPull {
 protected:
  HubModel() {
    request.patterns.clear();
    const fs::path model = kTestData / "lora/external";
    server.add("onnx/model.onnx",
               replaced(read_file(model / "model.onnx"), "model.onnx_data", "some_tensors.it"), true);
    server.add("onnx/some_tensors.it", read_file(model / "model.onnx_data"), true);
  }
};

TEST_F(HubModel, WeightsBesideAGraphComeAlong) {
  const fs::path snapshot = pull();
  EXPECT_EQ(
      hub::snapshot_files(snapshot),
      (std::vector<std::string>{"config.json", "onnx/model.onnx", "onnx/some_tensors.it", "tokenizer.json"}));
  EXPECT_EQ(hub::find_cached(settings, request), snapshot);
  EXPECT_EQ(onnx::external_locations(snapshot / "onnx/model.onnx"), std::set<std::string>{"some_tensors.it"});
}

TEST_F(HubModel, WeightsThatTheHubLacksAreNamed) {
  server.add("onnx/model.onnx", read_file(kTestData / "lora/external/model.onnx"), true);
  const auto [code, text] = failure();
  EXPECT_EQ(code, core::ErrorCode::kInvalidModel);
  EXPECT_NE(text.find("onnx/model.onnx_data, which the repository lacks"), text.npos) << text;
  EXPECT_FALSE(fs::exists(repo_dir() / "snapshots"));
}

TEST_F(HubModel, AGraphThatIsNoneIsRefused) {
  server.add("onnx/model.onnx", "<html>", true);
  EXPECT_EQ(failure().first, core::ErrorCode::kInvalidModel);
}

TEST_F(HubModel, ASnapshotWithoutTheDtypeIsNotTaken) {
  EXPECT_FALSE(hub::find_cached(settings, request));
  pull();
  EXPECT_TRUE(hub::find_cached(settings, request));
  request.dtype = "q4";
  EXPECT_FALSE(hub::find_cached(settings, request));
  request.dtype = "auto";
  request.source.revision = "other";
  EXPECT_FALSE(hub::find_cached(settings, request));
  request.source.revision = server.commit;
  EXPECT_TRUE(hub::find_cached(settings, request));
}

TEST_F(HubModel, TheCacheIsListed) {
  pull();
  const auto repos = hub::list_cache(settings.cache);
  ASSERT_EQ(repos.size(), 1u);
  EXPECT_EQ(repos[0].repo, "org/model");
  EXPECT_EQ(repos[0].revisions, std::vector<std::string>{"main"});
  EXPECT_GT(repos[0].bytes, 1000u);
  EXPECT_TRUE(hub::list_cache(folder / "nothing").empty());
}

}  // namespace
}  // namespace vulcap::testing
