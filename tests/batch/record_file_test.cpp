// An output that is written, cut anywhere, and gone on with.
#include "apps/batch/record_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/core/error.h"
#include "tests/batch/temp_files.h"

namespace vulcap::testing {
namespace {

using apps::Claim;
using apps::OutputStart;
using apps::RecordFile;

const nlohmann::json kHeader = {{"format", "jsonl"},
                                {"shard", "0/1"},
                                {"directory", "/"},
                                {"vulcap", "0"},
                                {"settings", {{"prompt", ""}, {"model", "abc"}}}};

std::string record(const std::string& file, const std::string& error = "") {
  nlohmann::json line = {{"file", file}};
  if (error.empty()) {
    line["caption"] = "a \"caption\"\nof " + file;
  } else {
    line["error"] = error;
  }
  return line.dump() + "\n";
}

class RecordFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<RecordFile> open(OutputStart start = OutputStart::kResume,
                                   const nlohmann::json& header = kHeader) {
    auto file = std::make_unique<RecordFile>(path_, start);
    file->begin(apps::record_format("jsonl", 1), header, [](const apps::RecordIdentity&) {});
    return file;
  }
  std::string refusal(OutputStart start, const nlohmann::json& header, core::ErrorCode code) {
    try {
      open(start, header);
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), code);
      return error.message();
    }
    return "accepted";
  }

  TempFolder folder_;
  fs::path path_ = folder_ / "out.jsonl";
};

TEST_F(RecordFileTest, GoesOnWithWhatIsThere) {
  {
    const auto file = open();
    EXPECT_EQ(file->claim("a"), Claim::kNew);
    EXPECT_EQ(file->claim("a"), Claim::kTwice);
    const apps::OutputRecord lines[] = {{record("a"), false}, {record("b", "broken"), true}};
    file->append(lines);
    file->finish();
  }
  const auto file = open();
  EXPECT_EQ(file->claim("a"), Claim::kRecorded);
  EXPECT_EQ(file->claim("b"), Claim::kRecorded);
  EXPECT_EQ(file->claim("c"), Claim::kNew);
  EXPECT_EQ(file->count().records, 2);
  EXPECT_EQ(file->count().failed, 1);
  EXPECT_EQ(read_file(path_), record("a") + record("b", "broken"));
}

// At whatever byte the output or its journal ends, no whole record is lost and none is torn.
TEST_F(RecordFileTest, CutAnywhereItGoesOn) {
  const std::string all = record("a") + record("b") + record("c");
  {
    const auto file = open();
    const apps::OutputRecord lines[] = {{all, false}};
    file->append(lines);
  }
  const std::string journal = read_file(apps::journal_path(path_));
  for (size_t size = 0; size <= all.size(); ++size) {
    write_file(path_, all.substr(0, size));
    const auto file = open();
    const std::string whole = all.substr(0, all.substr(0, size).rfind('\n') + 1);
    EXPECT_EQ(read_file(path_), whole);
    EXPECT_EQ(file->count().records, uint64_t(std::count(whole.begin(), whole.end(), '\n')));
  }
  for (size_t size = journal.find('\n') + 1; size <= journal.size(); ++size) {
    write_file(path_, all);
    write_file(apps::journal_path(path_), journal.substr(0, size));
    EXPECT_EQ(open()->count().records, 3);
  }
}

TEST_F(RecordFileTest, RubbishBehindWhatIsCommittedIsCutOff) {
  {
    const auto file = open();
    const apps::OutputRecord lines[] = {{record("a"), false}};
    file->append(lines);
    file->commit();
  }
  write_file(path_, record("a") + std::string(100, '\0') + "\n" + record("b"));
  EXPECT_EQ(open()->count().records, 1);
  EXPECT_EQ(read_file(path_), record("a"));
  write_file(path_, "rubbish\n");
  EXPECT_NE(refusal(OutputStart::kResume, kHeader, core::ErrorCode::kRuntime).find("record 1 (at byte 0)"),
            std::string::npos);
}

TEST_F(RecordFileTest, OtherSettingsAreRefused) {
  open();
  nlohmann::json other = kHeader;
  other["settings"]["prompt"] = "a dog";
  other["settings"]["generation"] = {{"num-beams", "4"}};
  const std::string message = refusal(OutputStart::kResume, other, core::ErrorCode::kUsage);
  EXPECT_NE(message.find("prompt ('' there, 'a dog' now)"), std::string::npos) << message;
  EXPECT_NE(message.find("generation (not set there, {\"num-beams\":\"4\"} now)"), std::string::npos)
      << message;
  other = kHeader;
  other["shard"] = "1/2";
  EXPECT_NE(refusal(OutputStart::kResume, other, core::ErrorCode::kUsage).find("shard"), std::string::npos);
  open(OutputStart::kOverwrite, other);
  EXPECT_EQ(refusal(OutputStart::kResume, other, core::ErrorCode::kUsage), "accepted");
}

TEST_F(RecordFileTest, FilesOfOthersAreRefused) {
  write_file(path_, record("a"));
  EXPECT_NE(refusal(OutputStart::kResume, kHeader, core::ErrorCode::kUsage).find("has no journal"),
            std::string::npos);
  write_file(apps::journal_path(path_), "{\"x\": 1}\n");
  EXPECT_NE(refusal(OutputStart::kResume, kHeader, core::ErrorCode::kRuntime).find("is no journal"),
            std::string::npos);
  EXPECT_EQ(open(OutputStart::kOverwrite)->count().records, 0);
  path_ = folder_.path();
  EXPECT_NE(refusal(OutputStart::kResume, kHeader, core::ErrorCode::kUsage).find("is no regular file"),
            std::string::npos);
}

TEST_F(RecordFileTest, FailedRecordsCanBeForgotten) {
  {
    const auto file = open();
    const apps::OutputRecord lines[] = {{record("a"), false}, {record("b", "x"), true}, {record("c"), false}};
    file->append(lines);
    file->finish();
  }
  const auto file = open(OutputStart::kRetryFailed);
  EXPECT_EQ(read_file(path_), record("a") + record("c"));
  EXPECT_EQ(file->claim("b"), Claim::kNew);
  const apps::OutputRecord lines[] = {{record("b"), false}};
  file->append(lines);
  EXPECT_EQ(read_file(path_), record("a") + record("c") + record("b"));
}

TEST_F(RecordFileTest, OneProcessAtATime) {
  const auto file = open();
  EXPECT_NE(refusal(OutputStart::kResume, kHeader, core::ErrorCode::kRuntime)
                .find("another process, process " + std::to_string(getpid())),
            std::string::npos);
}

TEST_F(RecordFileTest, CsvRecordsOfSeveralRowsStayWhole) {
  const auto format = apps::record_format("csv", 2);
  const std::string one = "a.jpg,1,\"x\ny\",,,cpu,,1,\na.jpg,2,z,,,cpu,,1,\n";
  const std::string two = "b.jpg,,,,,cpu,,,no such file\n";
  EXPECT_EQ(format.end(one + two), one.size());
  EXPECT_EQ(format.end(two), two.size());
  for (size_t size = 0; size < one.size(); ++size) EXPECT_EQ(format.end(one.substr(0, size)), 0) << size;
  EXPECT_EQ(format.identify(one).key, "a.jpg");
  EXPECT_FALSE(format.identify(one).failed);
  EXPECT_TRUE(format.identify(two).failed);
  EXPECT_THROW(format.identify("a,b"), std::exception);
}

}  // namespace
}  // namespace vulcap::testing
