// Parts of a job joined: complete, incomplete, failed and contradicting ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/batch/csv.h"
#include "tests/jobs/job.h"

namespace vulcap::testing {
namespace {

constexpr size_t kImages = 40;

class Merge : public ::testing::Test {
 protected:
  void SetUp() override { fill_with_images(images_, kImages); }

  std::string part_name(int index, int count) const {
    char name[64];
    std::snprintf(name, sizeof name, "part.%05d-of-%05d.jsonl", index, count);
    return (folder_ / name).string();
  }
  Outcome run_part(int index, int count, const Arguments& more = {}) {
    Arguments arguments = {"--shard", std::to_string(index) + "/" + std::to_string(count)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_batch(images_, folder_ / "part.{shard}.jsonl", arguments);
  }
  void run_parts(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(exits(run_part(i, count), 0));
  }
  Outcome merge(const Arguments& more) {
    Arguments arguments = {"merge", "-o", merged_.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_vulcap(arguments);
  }
  Output alone() {
    EXPECT_TRUE(exits(run_batch(images_, folder_ / "alone.jsonl"), 0));
    return read_output(folder_ / "alone.jsonl");
  }

  TempFolder folder_;
  const fs::path images_ = folder_ / "images";
  const fs::path merged_ = folder_ / "merged.jsonl";
};

TEST_F(Merge, PartsEqualOneRun) {
  const Output reference = alone();
  run_parts(3);
  EXPECT_TRUE(exits(merge({part_name(2, 3), part_name(0, 3), part_name(1, 3)}), 0));
  EXPECT_TRUE(same_records(merged_, reference));
  std::vector<std::string> files;
  for (const std::string& line : lines_of(read_file(merged_)))
    files.push_back(nlohmann::json::parse(line).at("file").get<std::string>());
  EXPECT_TRUE(std::is_sorted(files.begin(), files.end()));
  // What was joined counts as one run: nothing remains to be done in it.
  const std::string before = read_file(merged_);
  EXPECT_TRUE(exits(run_batch(images_, merged_), 0));
  EXPECT_EQ(read_file(merged_), before);
}

TEST_F(Merge, CsvOfSeveralCaptionsAnImage) {
  const Arguments csv = {"--format", "csv", "--num-beams", "2", "--num-return-sequences", "2"};
  ASSERT_TRUE(exits(run_batch(images_, folder_ / "alone.csv", csv), 0));
  for (const char* shard : {"0/2", "1/2"}) {
    Arguments more = csv;
    more.insert(more.end(), {"--shard", shard});
    ASSERT_TRUE(exits(run_batch(images_, folder_ / "{shard}.csv", more), 0));
  }
  const std::string first = (folder_ / "00000-of-00002.csv").string();
  const std::string second = (folder_ / "00001-of-00002.csv").string();
  EXPECT_TRUE(exits(run_vulcap({"merge", first, second, "-o", (folder_ / "all.csv").string()}), 0));
  // File, rank and caption.
  const auto rows = [](const fs::path& file) {
    std::vector<std::vector<std::string>> all;
    for (const std::string& line : lines_of(read_file(file))) {
      all.push_back(apps::csv_fields(line, ','));
      all.back().resize(3);
    }
    return all;
  };
  EXPECT_EQ(rows(folder_ / "all.csv"), rows(folder_ / "alone.csv"));
  EXPECT_EQ(rows(folder_ / "all.csv").size(), 1 + 2 * kImages);
}

TEST_F(Merge, WithoutAPartItSaysSoAndWritesNothing) {
  run_parts(3);
  fs::remove(part_name(1, 3));
  Outcome outcome = merge({part_name(0, 3), part_name(2, 3)});
  EXPECT_TRUE(refuses(outcome, 1, {"not all parts", "--partial"}));
  EXPECT_NE(outcome.err.find("part 1/3"), std::string::npos) << outcome.err;
  EXPECT_TRUE(refuses(merge({part_name(0, 3), part_name(1, 3), part_name(2, 3)}), 1, {"not all parts"}));
  EXPECT_FALSE(fs::exists(merged_));

  // What is there can be joined, and a single run adds the rest.
  EXPECT_TRUE(exits(merge({part_name(0, 3), part_name(2, 3), "--partial"}), 5));
  EXPECT_LT(read_output(merged_).records.size(), kImages);
  EXPECT_TRUE(exits(run_batch(images_, merged_), 0));
  EXPECT_TRUE(same_records(merged_, alone()));
}

TEST_F(Merge, UnfinishedPartsAreNamed) {
  run_parts(2);
  const std::string part = part_name(1, 2);
  const std::string text = read_file(part);
  write_file(part, text.substr(0, text.size() - 10));
  const Outcome outcome = merge({part_name(0, 2), part});
  EXPECT_TRUE(refuses(outcome, 1, {"not all parts"}));
  EXPECT_NE(outcome.err.find(part + ": part 1/2 is not finished"), std::string::npos) << outcome.err;
}

TEST_F(Merge, InputsSayWhatIsMissing) {
  run_parts(2);
  fs::copy_file(kSampleImage, images_ / "late.png");
  const Outcome outcome = merge({part_name(0, 2), part_name(1, 2), "--inputs", images_.string(),
                                 "--missing-list", (folder_ / "todo.txt").string()});
  EXPECT_TRUE(refuses(outcome, 1, {"1 images have no record"}));
  EXPECT_EQ(read_file(folder_ / "todo.txt"), (images_ / "late.png").string() + "\n");
}

TEST_F(Merge, FailedImagesAreCountedAndListed) {
  const std::vector<std::string> broken = break_images(images_);
  for (int i = 0; i < 2; ++i) run_part(i, 2);
  const Outcome outcome =
      merge({part_name(0, 2), part_name(1, 2), "--missing-list", (folder_ / "failed.txt").string()});
  EXPECT_TRUE(exits(outcome, 5));
  EXPECT_NE(outcome.err.find("40 images, 8 failed"), std::string::npos) << outcome.err;
  EXPECT_EQ(lines_of(read_file(folder_ / "failed.txt")), broken);
}

TEST_F(Merge, PartsThatDoNotBelongTogetherAreRefused) {
  ASSERT_TRUE(exits(run_part(0, 2), 0));
  ASSERT_TRUE(exits(run_part(1, 2, {"--max-new-tokens", "3"}), 0));
  ASSERT_TRUE(exits(run_part(0, 3), 0));
  EXPECT_TRUE(refuses(merge({part_name(0, 2), part_name(1, 2)}), 6, {"does not belong", "max-new-tokens"}));
  EXPECT_TRUE(refuses(merge({part_name(0, 2), part_name(0, 3)}), 6, {"part 0/3"}));
  EXPECT_TRUE(refuses(merge({part_name(0, 2), part_name(0, 2)}), 6, {"part 0/2 too"}));
}

TEST_F(Merge, TwoCaptionsOfOneImageMustAgree) {
  ASSERT_TRUE(exits(run_batch(images_, folder_ / "a.jsonl"), 0));
  ASSERT_TRUE(exits(run_batch(images_, folder_ / "b.jsonl"), 0));
  const Arguments both = {(folder_ / "a.jsonl").string(), (folder_ / "b.jsonl").string(), "--overwrite"};
  const Outcome outcome = merge(both);
  EXPECT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.err.find("40 doubled"), std::string::npos) << outcome.err;
  EXPECT_TRUE(same_records(merged_, read_output(folder_ / "a.jsonl")));
  std::string text = read_file(folder_ / "b.jsonl");
  text.replace(text.find("\"caption\":\"") + 11, 1, "X");
  write_file(folder_ / "b.jsonl", text);
  EXPECT_TRUE(refuses(merge(both), 6, {"different captions", "a.jsonl", "b.jsonl"}));
}

// More parts than images: some have nothing to do, and are finished.
TEST_F(Merge, PartsMayBeEmpty) {
  fs::remove_all(images_);
  fill_with_images(images_, 2);
  run_parts(5);
  Arguments parts;
  for (int i = 0; i < 5; ++i) parts.insert(parts.end(), {part_name(i, 5), part_name(i, 5) + ".journal"});
  EXPECT_TRUE(exits(merge(parts), 0));
  EXPECT_TRUE(same_records(merged_, alone()));
  EXPECT_TRUE(refuses(merge(parts), 2, {"--overwrite"}));
}

TEST_F(Merge, WhatIsNoPartIsRefused) {
  ASSERT_TRUE(exits(run_part(0, 1), 0));
  const std::string part = part_name(0, 1);
  EXPECT_TRUE(refuses(run_vulcap({"merge", part, "-o", part}), 2, {"cannot be its output"}));
  write_file(folder_ / "other.jsonl", "{}\n");
  EXPECT_TRUE(refuses(merge({(folder_ / "other.jsonl").string()}), 2, {"no journal"}));
  EXPECT_TRUE(refuses(merge({(folder_ / "absent.jsonl").string()}), 1, {"no such file"}));
  EXPECT_TRUE(refuses(run_vulcap({"merge", part}), 2, {"output"}));
  write_file(part, "not a record\n" + read_file(part));
  EXPECT_TRUE(refuses(merge({part}), 1, {"byte 0", "no record"}));
}

}  // namespace
}  // namespace vulcap::testing
