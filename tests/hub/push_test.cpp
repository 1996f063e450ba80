// Uploads to a hub on this machine: what its repository has then, and what becomes of faults.
#include "loader/hub/push.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/core/error.h"
#include "tests/apps/model_folder.h"
#include "tests/hub/hub_server.h"

namespace vulcap::testing {
namespace {

class HubPush : public ::testing::Test {
 protected:
  HubPush() {
    write_file(folder / "model/README.md", "a card\n");
    write_file(folder / "model/config.json", "{}");
    write_file(folder / "model/sub/weights.bin", weights);
    write_file(folder / "model/empty.bin", "");
    server.token = settings.token = "secret";
    settings.endpoint = server.endpoint();
    settings.first_wait = std::chrono::milliseconds(1);
    settings.tries = 3;
    settings.workers = 2;
    request.target.repo = "org/model";
    request.folder = folder / "model";
    request.summary = "A model";
    request.notes = folder / "notes";
  }

  hub::PushResult push() {
    there = total = done = 0;
    hub::PushEvents events;
    events.on_work = [this](const std::string& work, uint64_t bytes, uint64_t before) {
      if (work == "upload") total = bytes, there = before, done = 0;
    };
    events.on_bytes = [this](uint64_t bytes) { done += bytes; };
    events.on_remark = [this](const std::string& line) { remarks.push_back(line); };
    return hub::push(settings, request, events);
  }

  void expect_refusal(core::ErrorCode code, const std::vector<std::string>& parts) {
    try {
      push();
      ADD_FAILURE() << "nothing was refused";
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), code);
      for (const std::string& part : parts)
        EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
      EXPECT_EQ(error.message().find('\n'), std::string::npos);
    }
    EXPECT_TRUE(server.commits().empty());
  }

  size_t times(const std::string& method, const std::string& part) const {
    const auto seen = server.seen();
    return size_t(std::count_if(seen.begin(), seen.end(), [&](const SeenRequest& one) {
      return one.method == method && one.path.find(part) != std::string::npos;
    }));
  }
  size_t notes_left() const {
    return fs::exists(request.notes)
               ? size_t(std::distance(fs::directory_iterator(request.notes), fs::directory_iterator{}))
               : 0;
  }

  const std::string weights = bytes_of(300'000, 7);
  TempFolder folder;
  HubServer server;
  hub::Settings settings;
  hub::PushRequest request;
  uint64_t total = 0, there = 0, done = 0;
  std::vector<std::string> remarks;
};

TEST_F(HubPush, TheFolderBecomesACommit) {
  request.description = "two\nlines";
  const hub::PushResult result = push();
  ASSERT_EQ(server.commits().size(), 1u);
  const HubServer::Commit commit = server.commits()[0];
  EXPECT_EQ(commit.repo + "@" + commit.branch, "org/model@main");
  EXPECT_EQ(commit.summary, "A model");
  EXPECT_EQ(commit.description, "two\nlines");
  EXPECT_EQ(commit.files.size(), 4u);
  EXPECT_EQ(commit.files.at("README.md"), "a card\n");
  EXPECT_EQ(commit.files.at("empty.bin"), "");
  EXPECT_TRUE(commit.files.at("sub/weights.bin") == weights);
  EXPECT_EQ(result.commit, server.commit);
  EXPECT_EQ(result.url, server.endpoint() + "/org/model/commit/" + server.commit);
  EXPECT_EQ(result.changed, 4u);
  EXPECT_EQ(result.sent, weights.size());
  EXPECT_EQ(done, weights.size());
}

TEST_F(HubPush, TheTokenStaysWithTheHub) {
  server.part_size = 100'000;
  push();
  size_t on_store = 0;
  for (const SeenRequest& seen : server.seen()) {
    EXPECT_EQ(seen.authorization, seen.on_store ? "" : "Bearer secret") << seen.path;
    on_store += seen.on_store;
  }
  EXPECT_EQ(on_store, 4u);
}

TEST_F(HubPush, ARepositoryIsMadeWhereItIsMissing) {
  request.target.repo = "org/new";
  request.is_private = true;
  push();
  EXPECT_EQ(server.repo, "org/new");
  ASSERT_FALSE(remarks.empty());
  EXPECT_EQ(remarks[0], "org/new: made on " + server.endpoint() + ", private");
}

TEST_F(HubPush, OnlyWhatChangedIsCommitted) {
  push();
  EXPECT_EQ(push().changed, 0u);
  EXPECT_EQ(server.commits().size(), 1u);
  write_file(folder / "model/config.json", "{\"a\": 1}");
  const hub::PushResult result = push();
  EXPECT_EQ(result.changed, 1u);
  EXPECT_EQ(result.unchanged, 3u);
  EXPECT_EQ(server.commits().at(1).files,
            (std::map<std::string, std::string>{{"config.json", "{\"a\": 1}"}}));
  EXPECT_EQ(times("PUT", "/upload/"), 1u);
}

TEST_F(HubPush, ContentThatTheHubHasIsNotSentAgain) {
  server.fail("commit", {.times = 3, .status = 500});
  expect_refusal(core::ErrorCode::kRuntime, {"answers 500", "goes on from here"});
  const hub::PushResult result = push();
  EXPECT_EQ(result.sent, 0u);
  EXPECT_EQ(times("PUT", "/upload/"), 1u);
}

TEST_F(HubPush, EqualFilesAreSentOnce) {
  write_file(folder / "model/same.bin", weights);
  push();
  EXPECT_EQ(times("PUT", "/upload/"), 1u);
  EXPECT_EQ(server.commits().at(0).files.size(), 5u);
}

TEST_F(HubPush, PartsAreSentAndPutTogether) {
  server.part_size = 70'001;
  server.fail("part", {.times = 2, .status = 503});
  push();
  EXPECT_TRUE(server.commits().at(0).files.at("sub/weights.bin") == weights);
  EXPECT_EQ(times("PUT", "/upload/"), 7u);
  EXPECT_EQ(done, weights.size());
  EXPECT_EQ(notes_left(), 0u);
}

TEST_F(HubPush, AnInterruptedUploadGoesOn) {
  settings.workers = 1;
  server.part_size = 100'000;
  server.fail("part", {.status = 0});
  server.fail("part", {.status = 0});
  server.fail("part", {.status = 400});
  expect_refusal(core::ErrorCode::kRuntime, {"sub/weights.bin", "answers 400"});
  EXPECT_EQ(notes_left(), 1u);
  push();
  EXPECT_TRUE(server.commits().at(0).files.at("sub/weights.bin") == weights);
  EXPECT_EQ(there, 200'000u);
  EXPECT_EQ(total, 300'000u);
  EXPECT_EQ(done, 100'000u);
  EXPECT_EQ(times("PUT", "/upload/"), 4u);
  EXPECT_EQ(notes_left(), 0u);
}

TEST_F(HubPush, OnlyTheEndOfAnUploadWasMissing) {
  server.part_size = 100'000;
  server.fail("complete", {.times = 3, .status = 502});
  expect_refusal(core::ErrorCode::kRuntime, {"answers 502"});
  push();
  EXPECT_EQ(times("PUT", "/upload/"), 3u);
  EXPECT_EQ(server.commits().size(), 1u);
}

TEST_F(HubPush, AnUploadThatTheStoreForgotBeginsAnew) {
  settings.workers = 1;
  server.part_size = 100'000;
  server.fail("part", {.status = 0});
  server.fail("part", {.status = 400});
  expect_refusal(core::ErrorCode::kRuntime, {"answers 400"});
  server.signature = 2;
  push();
  EXPECT_TRUE(server.commits().at(0).files.at("sub/weights.bin") == weights);
  EXPECT_EQ(notes_left(), 0u);
}

TEST_F(HubPush, DamagedNotesAreNoHarm) {
  server.part_size = 100'000;
  server.fail("complete", {.status = 400});
  expect_refusal(core::ErrorCode::kRuntime, {"answers 400"});
  for (const auto& entry : fs::directory_iterator(request.notes)) write_file(entry.path(), "{\"parts\": 3}");
  push();
  EXPECT_EQ(server.commits().size(), 1u);
}

TEST_F(HubPush, BranchesAndPullRequests) {
  request.target.revision = "draft";
  push();
  EXPECT_EQ(server.commits().at(0).branch, "draft");
  request.target.revision = "main";
  request.pull_request = true;
  EXPECT_EQ(push().url, server.endpoint() + "/org/model/discussions/1");
  EXPECT_TRUE(server.commits().at(1).pull_request);
}

TEST_F(HubPush, FilesAreChosen) {
  write_file(folder / "model/.git/config", "x");
  write_file(folder / "model/.cache/x", "x");
  write_file(folder / "model/notes.ignored", "x");
  request.files.exclude = {"sub/*"};
  push();
  EXPECT_EQ(server.commits().at(0).files.size(), 3u);
  EXPECT_EQ(remarks.back(), "notes.ignored: left out, as the .gitignore of the repository says");
  request.files = {{"*.bin"}, {"empty*"}};
  push();
  EXPECT_EQ(server.commits().at(1).files.size(), 1u);
}

TEST_F(HubPush, StatusesAreNamed) {
  server.fail("create", {.status = 403, .error_message = "no such organisation"});
  request.target.repo = "other/model";
  expect_refusal(core::ErrorCode::kRuntime, {"may not write to other/model", "no such organisation"});
  request.target.repo = "org/model";
  server.fail("preupload", {.status = 404, .error_code = "RevisionNotFound"});
  expect_refusal(core::ErrorCode::kRuntime, {"org/model has no branch 'main'"});
  server.fail("create", {.status = 404});
  expect_refusal(core::ErrorCode::kRuntime, {"has no such repository"});
  server.fail("commit", {.status = 409});
  expect_refusal(core::ErrorCode::kRuntime, {"came in between", "run the same command again"});
  server.fail("commit", {.status = 413});
  expect_refusal(core::ErrorCode::kRuntime, {"nothing this large"});
  server.fail("batch", {.status = 429, .retry_after = "1000"});
  expect_refusal(core::ErrorCode::kRuntime, {"too many requests", "in 1000 s"});
}

TEST_F(HubPush, TokensAreRefused) {
  settings.token = "wrong";
  expect_refusal(core::ErrorCode::kRuntime, {"token is not valid", "Invalid credentials"});
  settings.token = "";
  expect_refusal(core::ErrorCode::kUsage, {"there is no token", "HF_TOKEN"});
  settings.token = server.reader = "reader";
  request.target.repo = "other/model";
  expect_refusal(core::ErrorCode::kRuntime, {"may not write to other/model", "don't have the rights"});
}

TEST_F(HubPush, WhoMayNotCreateMayStillWrite) {
  server.fail("create", {.status = 403});
  push();
  EXPECT_EQ(server.commits().size(), 1u);
}

TEST_F(HubPush, NoHubAndNoNetwork) {
  settings.endpoint = "http://127.0.0.1:1";
  expect_refusal(core::ErrorCode::kRuntime, {"cannot reach http://127.0.0.1:1"});
  settings.endpoint = server.endpoint() + "/nothing";
  expect_refusal(core::ErrorCode::kRuntime, {"has no such repository", "HF_ENDPOINT"});
  settings.offline = true;
  expect_refusal(core::ErrorCode::kRuntime, {"offline is set"});
}

TEST_F(HubPush, NamesAreChecked) {
  for (const char* name : {"model", "a/b/c", "org/../x", ""}) {
    request.target.repo = name;
    expect_refusal(core::ErrorCode::kUsage, {"is no repository; write org/name"});
  }
  request.target = {"org/model", "../main"};
  expect_refusal(core::ErrorCode::kUsage, {"--revision"});
  EXPECT_TRUE(server.seen().empty());
}

TEST_F(HubPush, FoldersThatCannotBePublished) {
  request.folder = folder / "nothing";
  expect_refusal(core::ErrorCode::kInvalidModel, {"is no folder"});
  request.folder = folder / "bare";
  fs::create_directories(request.folder);
  expect_refusal(core::ErrorCode::kInvalidModel, {"has no file to push"});
  write_file(folder / "secret", "x");
  fs::create_symlink(folder / "secret", request.folder / "link");
  expect_refusal(core::ErrorCode::kInvalidModel, {"link out of the folder"});
  fs::remove(request.folder / "link");
  fs::create_symlink("nowhere", request.folder / "link");
  expect_refusal(core::ErrorCode::kInvalidModel, {"link to nothing"});
  fs::remove(request.folder / "link");
  write_file(request.folder / "a\xff.txt", "x");
  expect_refusal(core::ErrorCode::kInvalidModel, {"whose name no repository takes"});
  EXPECT_TRUE(server.seen().empty());
}

TEST_F(HubPush, LinksInsideTheFolderAreFollowed) {
  fs::create_symlink("sub/weights.bin", folder / "model/weights.bin");
  push();
  EXPECT_TRUE(server.commits().at(0).files.at("weights.bin") == weights);
}

}  // namespace
}  // namespace vulcap::testing
