// The scripts of examples/slurm on a real Slurm: an array job whose task is preempted and queued again, and
// the job that joins the parts.
#include <gtest/gtest.h>

#include <optional>
#include <sstream>

#include "tests/jobs/job.h"
#include "tests/slurm/slurm_cluster.h"

namespace vulcap::testing {
namespace {

constexpr size_t kImages = 160;
constexpr auto kPatience = std::chrono::seconds(240);

class Slurm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string lacks = SlurmCluster::lacks(); !lacks.empty())
      GTEST_SKIP() << "there is no " << lacks;
    fill_with_images(images_, kImages);
    ASSERT_TRUE(exits(run_batch(images_, folder_ / "alone.jsonl"), 0));
    reference_ = read_output(folder_ / "alone.jsonl");
    fs::remove_all(kept_);
    fs::create_directories(kept_);
    fs::create_directory(folder_ / "slurm");
    fs::permissions(folder_.path(), fs::perms(0711));  // see SlurmCluster
    cluster_.emplace(folder_ / "slurm", kept_ / "transcript.txt");
  }

  void TearDown() override {
    cluster_.reset();
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.path().extension() == ".log")
        fs::copy_file(entry.path(), kept_ / entry.path().filename(), fs::copy_options::overwrite_existing);
    }
  }

  // vulcap on a slow disk, so that there is time to stop it.
  fs::path write_slow_program() {
    const fs::path program = folder_ / "vulcap";
    write_file(program, "#!/bin/sh\nexport VULCAP_FAULT_KIND=slow VULCAP_FAULT_FOLDER=" +
                            (folder_ / "captions.0").string() + " ASAN_OPTIONS=verify_asan_link_order=0\n" +
                            "LD_PRELOAD=" + VULCAP_WRITE_FAULTS + " exec " + VULCAP_PROGRAM + " \"$@\"\n");
    fs::permissions(program, fs::perms(0755));
    return program;
  }

  // Runs examples/slurm/submit.sh in the folder; returns the numbers of the two jobs.
  std::vector<std::string> submit(int parts) {
    const fs::path script = fs::path(VULCAP_SOURCE_DIR) / "examples" / "slurm" / "submit.sh";
    std::istringstream words(cluster_->run(
        "/bin/sh",
        {"-c", "cd " + folder_.path().string() + " && " + script.string() + " " + std::to_string(parts) +
                   " " + images_.string() + " " + merged_.string() + " --device cpu -b 2"},
        {{"VULCAP", write_slow_program().string()}, {"SBATCH_PARTITION", "low"}}));
    std::vector<std::string> numbers;
    for (std::string word; words >> word;) {
      if (word.find_first_not_of("0123456789") == word.npos) numbers.push_back(word);
    }
    return numbers;
  }

  size_t records_of(const std::string& file) const { return lines_of(whole_lines(folder_ / file)).size(); }

  TempFolder folder_;
  // What Slurm and its jobs said, for whoever wants to read it.
  const fs::path kept_ = fs::path(VULCAP_PROGRAM).parent_path() / "slurm_test" /
                         ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const fs::path images_ = folder_ / "images";
  const fs::path merged_ = folder_ / "captions.jsonl";
  Output reference_;
  std::optional<SlurmCluster> cluster_;
};

TEST_F(Slurm, PreemptedArrayEndsAsOneRun) {
  const std::vector<std::string> jobs = submit(2);
  ASSERT_EQ(jobs.size(), 2u);
  const auto records = [&] {
    return std::pair(records_of("captions.00000-of-00002.jsonl"),
                     records_of("captions.00001-of-00002.jsonl"));
  };
  ASSERT_TRUE(cluster_->wait_until("both parts have records", kPatience,
                                   [&] { return std::min(records().first, records().second) >= 4; }));

  // A job of the other partition takes a whole node.
  cluster_->run("sbatch",
                {"--partition=high", "--exclusive", "--nodes=1", "--output=/dev/null", "--wrap=sleep 1"});
  ASSERT_TRUE(cluster_->wait_until("a task was preempted and is queued again", kPatience, [&] {
    return cluster_->job_field(jobs[0], "Restarts").find('1') != std::string::npos;
  }));
  EXPECT_LT(records().first + records().second, kImages) << "nothing was left to do when a part was stopped";
  cluster_->run("squeue", {});

  ASSERT_TRUE(cluster_->wait_until("the parts are joined", kPatience, [&] {
    return cluster_->job_field(jobs[1], "JobState").starts_with("COMPLETED");
  }));
  EXPECT_EQ(cluster_->job_field(jobs[0], "JobState"), "COMPLETED\nCOMPLETED\n");
  EXPECT_TRUE(same_records(merged_, reference_));
  cluster_->run("/bin/sh", {"-c", "cd " + folder_.path().string() + " && tail -n +1 captions-*.log"});
}

// Tasks of one step take a part each without a flag.
TEST_F(Slurm, TasksOfAStepShareTheWork) {
  cluster_->run("srun",
                {"--partition=low", "--nodes=2", "--ntasks=4", "--cpus-per-task=2", VULCAP_PROGRAM, "batch",
                 images_.string(), "-o", (folder_ / "step.{shard}.jsonl").string(), "--device", "cpu"});
  Arguments merge = {"merge", "-o", merged_.string(), "--inputs", images_.string()};
  for (int i = 0; i < 4; ++i) {
    const std::string name = "step.0000" + std::to_string(i) + "-of-00004.jsonl";
    EXPECT_LT(records_of(name), kImages);
    merge.push_back((folder_ / name).string());
  }
  EXPECT_TRUE(exits(run_vulcap(merge), 0));
  EXPECT_TRUE(same_records(merged_, reference_));
}

}  // namespace
}  // namespace vulcap::testing
