// Which part of a job a process takes.
#include "apps/batch/shard.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "runtime/core/error.h"

namespace vulcap::testing {
namespace {

using apps::parse_shard;
using apps::Shard;
using Variables = std::map<std::string, std::string>;

constexpr const char* kKnown[] = {"SLURM_ARRAY_TASK_ID",  "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
                                  "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP",  "SLURM_PROCID",
                                  "SLURM_NTASKS",         "SLURM_STEP_NUM_TASKS",   "SLURM_JOB_ID",
                                  "SLURM_STEP_ID",        "JOB_COMPLETION_INDEX",   "JOB_COMPLETIONS"};

// Of all that are known only these are set, while it lives.
struct Environs {
  explicit Environs(const Variables& variables) {
    clear();
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environs() { clear(); }

  static void clear() {
    for (const char* name : kKnown) unsetenv(name);
  }
};

// The part, or the message of the refusal.
std::string choice(const Variables& variables) {
  const Environs environs(variables);
  try {
    return apps::shard_from_environment().shard.text();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kUsage);
    return error.message();
  }
}

TEST(Shard, HashIsTheSameEverywhere) {
  // Computed independently, from the published definitions of FNV-1a and of the finaliser.
  const std::map<std::string, uint32_t> expected = {
      {"", 6}, {"a", 11}, {"photos/a.jpg", 8}, {"photos/b.jpg", 2}, {"scène.png", 9}};
  for (const auto& [key, index] : expected) {
    for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ((Shard{i, 16}.contains(key)), i == index) << key << " " << i;
  }
}

TEST(Shard, EveryItemBelongsToExactlyOnePart) {
  for (uint32_t count = 1; count <= 64; ++count) {
    std::vector<int> sizes(count);
    for (int item = 0; item < 2000; ++item) {
      const std::string key = "images/" + std::to_string(item) + ".jpg";
      int owners = 0;
      for (uint32_t i = 0; i < count; ++i) {
        if (!Shard{i, count}.contains(key)) continue;
        ++owners;
        ++sizes[i];
      }
      ASSERT_EQ(owners, 1) << key << " of " << count;
    }
    for (int size : sizes) {
      EXPECT_GT(size, 2000.0 / count * 0.3) << count;
      EXPECT_LT(size, 2000.0 / count * 1.9) << count;
    }
  }
}

TEST(Shard, Text) {
  EXPECT_EQ(parse_shard("3/16", "--shard"), (Shard{3, 16}));
  EXPECT_EQ((Shard{3, 16}).text(), "3/16");
  for (const char* bad :
       {"", "3", "/", "3/", "/4", "4/4", "0/0", "-1/4", "1/4x", "1 /4", "1/4/2", "99999999999/4"}) {
    try {
      parse_shard(bad, "--shard");
      ADD_FAILURE() << bad;
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kUsage);
      EXPECT_TRUE(error.message().starts_with("--shard takes i/n")) << error.message();
    }
  }
}

TEST(Shard, PathNamesThePart) {
  EXPECT_EQ(apps::shard_path("out/{shard}.jsonl", {3, 16}), "out/00003-of-00016.jsonl");
  EXPECT_EQ(apps::shard_path("out.jsonl", {3, 16}), "out.jsonl");
}

TEST(ShardFromEnvironment, SlurmArrays) {
  EXPECT_EQ(choice({}), "0/1");
  EXPECT_EQ(choice({{"SLURM_ARRAY_TASK_ID", "2"}, {"SLURM_ARRAY_TASK_COUNT", "4"}}), "2/4");
  Variables from_one = {{"SLURM_ARRAY_TASK_ID", "4"},
                        {"SLURM_ARRAY_TASK_COUNT", "4"},
                        {"SLURM_ARRAY_TASK_MIN", "1"},
                        {"SLURM_ARRAY_TASK_MAX", "4"}};
  EXPECT_EQ(choice(from_one), "3/4");
  Variables stepped = {{"SLURM_ARRAY_TASK_ID", "20"},
                       {"SLURM_ARRAY_TASK_COUNT", "4"},
                       {"SLURM_ARRAY_TASK_MIN", "0"},
                       {"SLURM_ARRAY_TASK_MAX", "30"},
                       {"SLURM_ARRAY_TASK_STEP", "10"}};
  EXPECT_EQ(choice(stepped), "2/4");
}

TEST(ShardFromEnvironment, PartsOfArraysAreRefused) {
  Variables rerun = {{"SLURM_ARRAY_TASK_ID", "7"},
                     {"SLURM_ARRAY_TASK_COUNT", "2"},
                     {"SLURM_ARRAY_TASK_MIN", "7"},
                     {"SLURM_ARRAY_TASK_MAX", "8"}};
  EXPECT_NE(choice(rerun).find("--shard i/n"), std::string::npos) << choice(rerun);
  Variables gaps = {{"SLURM_ARRAY_TASK_ID", "9"},
                    {"SLURM_ARRAY_TASK_COUNT", "3"},
                    {"SLURM_ARRAY_TASK_MIN", "0"},
                    {"SLURM_ARRAY_TASK_MAX", "9"},
                    {"SLURM_ARRAY_TASK_STEP", "1"}};
  EXPECT_NE(choice(gaps).find("--shard i/n"), std::string::npos) << choice(gaps);
  for (const Variables& odd : {Variables{{"SLURM_ARRAY_TASK_ID", "1"}},
                               Variables{{"SLURM_ARRAY_TASK_ID", "4"}, {"SLURM_ARRAY_TASK_COUNT", "4"}},
                               Variables{{"SLURM_ARRAY_TASK_ID", "0"}, {"SLURM_ARRAY_TASK_COUNT", "0"}},
                               Variables{{"SLURM_ARRAY_TASK_ID", "x"}, {"SLURM_ARRAY_TASK_COUNT", "4"}}})
    EXPECT_NE(choice(odd).find("--shard i/n"), std::string::npos) << choice(odd);
}

TEST(ShardFromEnvironment, SlurmTasks) {
  EXPECT_EQ(choice({{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "3"}}), "1/3");
  Variables step = {
      {"SLURM_JOB_ID", "5"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "3"}};
  EXPECT_EQ(choice(step), "1/3");
  step["SLURM_STEP_NUM_TASKS"] = "2";
  EXPECT_EQ(choice(step), "1/2");
  step["SLURM_ARRAY_TASK_ID"] = "3";
  step["SLURM_ARRAY_TASK_COUNT"] = "4";
  EXPECT_EQ(choice(step), "7/8");
  // The batch script is not one of the tasks that it will start.
  EXPECT_EQ(choice({{"SLURM_JOB_ID", "5"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "3"}}), "0/1");
  EXPECT_NE(choice({{"SLURM_PROCID", "1"}}).find("SLURM_NTASKS"), std::string::npos);
}

TEST(ShardFromEnvironment, KubernetesIndexedJobs) {
  EXPECT_EQ(choice({{"JOB_COMPLETION_INDEX", "5"}, {"JOB_COMPLETIONS", "8"}}), "5/8");
  EXPECT_NE(choice({{"JOB_COMPLETION_INDEX", "5"}}).find("JOB_COMPLETIONS"), std::string::npos);
}

}  // namespace
}  // namespace vulcap::testing
