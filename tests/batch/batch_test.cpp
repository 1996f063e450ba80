// `vulcap batch` as its user sees it. What survives kills, signals and failing disks is tested in tests/jobs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/program.h"
#include "tests/batch/temp_files.h"

namespace vulcap::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;

class BatchTest : public ::testing::Test {
 protected:
  // Copies of the embedded model's sample images, in photos/.
  BatchTest() {
    for (int i = 0; i < 4; ++i) {
      const std::string name = "scene_00" + std::to_string(i) + ".png";
      fs::create_directories(folder_ / "photos");
      fs::copy_file(kEmbeddedModel / "expected/images" / name, folder_ / "photos" / name);
    }
  }

  Outcome batch(Arguments arguments) {
    Arguments all{"batch", "-o", output_.string(), "--device", "cpu", "-t", "1"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_vulcap(all, {{"SLURM_JOB_ID", ""}});
  }
  std::vector<json> records() const {
    std::vector<json> all;
    for (const std::string& line : lines_of(read_file(output_))) all.push_back(json::parse(line));
    return all;
  }
  std::string photos() const { return (folder_ / "photos").string(); }

  TempFolder folder_;
  fs::path output_ = folder_ / "out.jsonl";
};

TEST_F(BatchTest, EveryImageHasItsRecord) {
  write_file(folder_ / "photos/broken.jpg", "no image");
  const Outcome outcome = batch({photos(), "-b", "3"});
  EXPECT_TRUE(exits(outcome, 5));
  EXPECT_EQ(outcome.out, "");
  const auto all = records();
  ASSERT_EQ(all.size(), 5);
  EXPECT_EQ(all[0].at("file"), photos() + "/broken.jpg");
  EXPECT_NE(all[0].at("error").get<std::string>().find("not a PNG or JPEG image"), std::string::npos);
  const Outcome alone = run_vulcap({"caption", "--device", "cpu", "--format", "jsonl", all[2].at("file")});
  EXPECT_EQ(all[2].at("captions"), json::parse(alone.out).at("captions"));
  EXPECT_NE(outcome.err.find("4 images captioned"), std::string::npos) << outcome.err;

  const std::string before = read_file(output_);
  EXPECT_TRUE(exits(batch({photos()}), 5));
  EXPECT_EQ(read_file(output_), before);
  fs::copy_file(kSampleImage, folder_ / "photos/new.png");
  EXPECT_TRUE(exits(batch({photos()}), 5));
  EXPECT_EQ(read_file(output_).substr(0, before.size()), before);
  EXPECT_EQ(records().size(), 6);

  fs::copy_file(kSampleImage, folder_ / "photos/broken.jpg", fs::copy_options::overwrite_existing);
  EXPECT_TRUE(exits(batch({photos(), "--retry-failed"}), 0));
  EXPECT_EQ(records().size(), 6);
  EXPECT_FALSE(records()[5].contains("error"));
}

TEST_F(BatchTest, ListsGiveIdsAndArchivesMembers) {
  write_file(folder_ / "list.jsonl",
             "{\"file\": \"scene_000.png\", \"id\": \"first\"}\n"
             "{\"file\": \"scene_000.png\", \"id\": \"again\"}\n"
             "{\"file\": \"scene_000.png\", \"id\": \"again\"}\n{\"file\": \"none.png\"}\n");
  const std::string image = read_file(folder_ / "photos/scene_001.png");
  write_archive(folder_ / "x.tar", {{"a.png", image}, {"a.txt", "a"}, {"b.png", image}});
  const Outcome outcome =
      batch({(folder_ / "list.jsonl").string(), (folder_ / "x.tar").string(), "--root", photos()});
  EXPECT_TRUE(exits(outcome, 5));
  EXPECT_NE(outcome.err.find("1 were given twice, 1 other files left out"), std::string::npos) << outcome.err;
  const auto all = records();
  ASSERT_EQ(all.size(), 5);
  EXPECT_EQ(all[0].at("id"), "first");
  EXPECT_EQ(all[1].at("id"), "again");
  EXPECT_EQ(all[0].at("caption"), all[1].at("caption"));
  EXPECT_EQ(all[2].at("error"), "none.png: no such file");
  EXPECT_EQ(all[3].at("file"), folder_.path().string() + "/x.tar/a.png");
  EXPECT_EQ(all[3].at("caption"), all[4].at("caption"));
  EXPECT_TRUE(
      exits(batch({(folder_ / "list.jsonl").string(), (folder_ / "x.tar").string(), "--root", photos()}), 5));
  EXPECT_EQ(records().size(), 5);
}

TEST_F(BatchTest, CsvAndSidecars) {
  output_ = folder_ / "out.csv";
  const Arguments arguments{
      photos(), "--format", "csv", "--sidecar", "--num-beams", "2", "--num-return-sequences", "2"};
  EXPECT_TRUE(exits(batch(arguments), 0));
  const std::string all = read_file(output_);
  EXPECT_EQ(lines_of(all).size(), 9);
  EXPECT_EQ(lines_of(all)[0].substr(0, 10), "file,rank,");
  EXPECT_EQ(lines_of(read_file(folder_ / "photos/scene_002.txt")).size(), 2);
  // Torn between the two rows of the last record.
  write_file(output_, all.substr(0, all.rfind('\n', all.size() - 2) + 1));
  EXPECT_TRUE(exits(batch(arguments), 0));
  EXPECT_EQ(lines_of(read_file(output_)).size(), 9);
}

TEST_F(BatchTest, ShardsPartTheImages) {
  std::set<std::string> files;
  for (const std::string index : {"0", "1", "2"}) {
    output_ = folder_ / "out.{shard}.jsonl";
    EXPECT_TRUE(exits(batch({photos(), "--shard", index + "/3"}), 0));
    output_ = folder_ / ("out.0000" + index + "-of-00003.jsonl");
    for (const json& record : records()) EXPECT_TRUE(files.insert(record.at("file")).second);
  }
  EXPECT_EQ(files.size(), 4);
}

TEST_F(BatchTest, WrongUseIsRefused) {
  EXPECT_TRUE(refuses(batch({}), 2, {"no inputs"}));
  EXPECT_TRUE(refuses(batch({"none"}), 2, {"none: no such file or folder"}));
  EXPECT_TRUE(refuses(run_vulcap({"batch", photos()}), 2, {"--output"}));
  EXPECT_TRUE(refuses(run_vulcap({"batch", photos(), "-o", "/dev/null"}), 2, {"no regular file"}));
  EXPECT_TRUE(refuses(run_vulcap({"batch", photos(), "-o", "/none/out.jsonl"}), 1, {"/none/out.jsonl"}));
  EXPECT_TRUE(refuses(batch({photos(), "-b", "0"}), 2, {"batch-size"}));
  EXPECT_TRUE(exits(batch({photos()}), 0));
  EXPECT_TRUE(refuses(batch({photos(), "--num-beams", "2"}), 2, {"generation", "--overwrite"}));
  EXPECT_TRUE(exits(batch({photos(), "--num-beams", "2", "--overwrite"}), 0));
  fs::create_directories(folder_ / "empty");
  output_ = folder_ / "other.jsonl";
  EXPECT_TRUE(refuses(batch({(folder_ / "empty").string()}), 1, {"no image among the inputs"}));
}

TEST_F(BatchTest, TooManyFailuresStopIt) {
  for (char c = 'a'; c < 'k'; ++c) write_file(folder_ / ("photos/" + std::string(1, c) + ".jpg"), "x");
  const Outcome outcome = batch({photos(), "-b", "2", "--max-failures", "3"});
  EXPECT_TRUE(exits(outcome, 1));
  EXPECT_NE(error_lines(outcome).at(0).find("--max-failures 3"), std::string::npos);
  EXPECT_EQ(records().size(), 4);
}

// Enough images that a signal finds the job at work.
TEST_F(BatchTest, SignalsStopItAndItGoesOn) {
  for (int i = 0; i < 600; ++i)
    fs::create_symlink("scene_000.png", folder_ / ("photos/x" + std::to_string(i) + ".png"));
  const Arguments arguments{"batch", photos(), "-o", output_.string(), "--device", "cpu", "-t", "1"};
  for (const auto& [signal, code] : {std::pair(SIGTERM, 143), {SIGUSR1, 143}, {SIGINT, 130}}) {
    ChildProcess child(VULCAP_PROGRAM, arguments, program_environment({}));
    const size_t before = fs::exists(output_) ? read_file(output_).size() : 0;
    for (int i = 0; i < 1000 && (!fs::exists(output_) || fs::file_size(output_) == before); ++i)
      child.finishes_within(std::chrono::milliseconds(10));
    child.send(signal);
    const Outcome outcome = child.wait(seconds(10));
    EXPECT_TRUE(exits(outcome, code));
    EXPECT_NE(outcome.err.find("the same command goes on"), std::string::npos) << outcome.err;
    EXPECT_EQ(read_file(output_).back(), '\n');
  }
  EXPECT_TRUE(exits(run_vulcap(arguments), 0));
  EXPECT_EQ(records().size(), 604);
}

TEST_F(BatchTest, FullDiskEndsItWithWholeRecords) {
  for (int i = 0; i < 200; ++i)
    fs::create_symlink("scene_000.png", folder_ / ("photos/x" + std::to_string(i) + ".png"));
  const std::string command = std::string("ulimit -f 8; exec ") + VULCAP_PROGRAM + " batch " + photos() +
                              " -o " + output_.string() + " --device cpu -t 1 -b 4";
  ChildProcess child("/bin/sh", {"-c", command}, program_environment({}));
  const Outcome outcome = child.wait(seconds(60));
  EXPECT_TRUE(exits(outcome, 1));
  ASSERT_EQ(error_lines(outcome).size(), 1) << outcome.err;
  EXPECT_NE(error_lines(outcome)[0].find("out.jsonl: writing failed"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_file(output_).back(), '\n');
  EXPECT_GT(records().size(), 0);
  EXPECT_TRUE(exits(batch({photos()}), 0));
  EXPECT_EQ(records().size(), 204);
}

}  // namespace
}  // namespace vulcap::testing
