// A disk that is full or fails, at every point where the job touches its output: the job stops with one clear
// error, what is in the output is whole, and the same command goes on from there.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/jobs/job.h"

namespace vulcap::testing {
namespace {

struct Fault {
  const char* kind;
  bool ends_the_job;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.kind; }

constexpr size_t kImages = 13;

class WriteFault : public ::testing::TestWithParam<Fault> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's runtime must come before the preloaded shim";
#endif
    fill_with_images(images_, kImages);
    ASSERT_TRUE(exits(run_batch(images_, folder_ / "reference.jsonl"), 0));
    reference_ = read_output(folder_ / "reference.jsonl");
  }

  // Runs the job with the fault at that point; false when it has fewer points.
  bool check_point(size_t at) {
    const fs::path place = folder_ / ("at" + std::to_string(at));
    fs::create_directory(place);
    const fs::path mark = folder_ / "reached";
    fs::remove(mark);
    const Outcome outcome = run_batch(images_, place / "out.jsonl", {},
                                      {{"LD_PRELOAD", VULCAP_WRITE_FAULTS},
                                       {"VULCAP_FAULT_FOLDER", place.string()},
                                       {"VULCAP_FAULT_KIND", GetParam().kind},
                                       {"VULCAP_FAULT_AT", std::to_string(at)},
                                       {"VULCAP_FAULT_MARK", mark.string()}});
    if (!fs::exists(mark)) {
      EXPECT_TRUE(exits(outcome, 0));
      return false;
    }
    check_outcome(outcome, place);
    check_prefix(place / "out.jsonl");
    EXPECT_TRUE(exits(run_batch(images_, place / "out.jsonl"), 0));
    EXPECT_TRUE(same_records(place / "out.jsonl", reference_));
    return true;
  }

  void check_outcome(const Outcome& outcome, const fs::path& place) {
    if (!GetParam().ends_the_job) {
      EXPECT_TRUE(exits(outcome, 0));
    } else if (outcome.exit_code != 0) {
      EXPECT_TRUE(refuses(outcome, 1, {place.string()}));
    } else {
      EXPECT_STREQ(GetParam().kind, "error") << "no fault may be ignored but what is tried again";
      EXPECT_TRUE(same_records(place / "out.jsonl", reference_));
    }
  }

  void check_prefix(const fs::path& out) {
    write_file(folder_ / "prefix.jsonl", whole_lines(out));
    const Output output = read_output(folder_ / "prefix.jsonl");
    EXPECT_EQ(output.torn + output.doubled, 0u);
    for (const auto& [file, record] : output.records) EXPECT_EQ(record, reference_.records.at(file));
  }

  TempFolder folder_;
  fs::path images_ = folder_ / "images";
  Output reference_;
};

TEST_P(WriteFault, StopsTheJobAndItGoesOn) {
  size_t points = 0;
  for (size_t at = 1;; at += sizes().stride, ++points) {
    SCOPED_TRACE(std::string(GetParam().kind) + " at call " + std::to_string(at));
    if (!check_point(at)) break;
    if (HasFailure()) break;
  }
  EXPECT_GT(points, 0u);
  std::printf("%s: %zu points\n", GetParam().kind, points);
}

INSTANTIATE_TEST_SUITE_P(Kinds, WriteFault,
                         ::testing::Values(Fault{"full", true}, Fault{"error", true}, Fault{"torn", true},
                                           Fault{"sync", true}, Fault{"short", false},
                                           Fault{"interrupted", false}),
                         [](const auto& test) { return std::string(test.param.kind); });

}  // namespace
}  // namespace vulcap::testing
