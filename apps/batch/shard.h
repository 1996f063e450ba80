// One of n parts of a job, which processes on any machine work out alike from the names of the items.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "apps/cli/cli11_fwd.h"

namespace vulcap::apps {

// Part `index` of `count`; indices count from 0.
struct Shard {
  uint32_t index = 0;
  uint32_t count = 1;

  bool operator==(const Shard&) const = default;
  // Whether the item of that key belongs to this shard: FNV-1a (64 bits) of the key's bytes, mixed by
  // MurmurHash3's 64-bit finaliser, modulo `count`. Every key belongs to exactly one shard of `count`.
  bool contains(std::string_view key) const;
  std::string text() const;  // "3/16"
};

// "i/n" with 0 <= i < n. Throws core::Error(kUsage); `source` names the flag or variable in its message.
Shard parse_shard(const std::string& text, const std::string& source);

struct ShardChoice {
  Shard shard;
  std::string source;  // flag or variables that said so; empty: nothing did, so it is everything
};

// What the scheduler's environment says:
// - a Slurm job array: SLURM_ARRAY_TASK_ID of SLURM_ARRAY_TASK_COUNT, counted from SLURM_ARRAY_TASK_MIN in
// steps
//   of SLURM_ARRAY_TASK_STEP;
// - tasks that srun started: SLURM_PROCID of SLURM_STEP_NUM_TASKS or SLURM_NTASKS; within an array each part
// of
//   the array is divided once more. The batch script itself is not one of the tasks;
// - a Kubernetes Indexed Job: JOB_COMPLETION_INDEX of JOB_COMPLETIONS, which the manifest sets.
// Throws core::Error(kUsage) where that leaves open which part is meant: an array that begins above 1 or has
// gaps (a part of an array that is run again), or an index without a count.
ShardChoice shard_from_environment();

// --shard i/n.
struct ShardOptions {
  std::string shard;  // empty: as the environment says

  void add_to(CLI::App& command);
  ShardChoice choose() const;
};

// `path` with "{shard}" replaced by "00003-of-00016", so that one command line serves all parts.
std::string shard_path(const std::string& path, const Shard& shard);

}  // namespace vulcap::apps
