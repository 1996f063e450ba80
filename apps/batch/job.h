// The batch job: inputs -> decoded ahead -> captioned in batches -> records appended.
#pragma once

#include <optional>
#include <string>

#include "apps/batch/inputs.h"
#include "apps/batch/shard.h"
#include "apps/cli/options.h"
#include "loader/tasks/captioner.h"

namespace vulcap::apps {

struct BatchOptions {
  ModelOptions model;
  GenerationOptions generation;
  loader::CaptionPrompt prompt;
  ShardOptions shard;
  InputOptions inputs;
  std::string output;  // may hold "{shard}"
  std::string format = "jsonl";
  bool sidecar = false;
  size_t batch_size = 16;
  int decode_threads = 0;  // 0: as many as processors
  bool overwrite = false;
  bool retry_failed = false;
  std::optional<uint64_t> max_failures;
};

// Returns the exit code: 0, kPartial where records with errors are in the output, 130 or 143 when a signal
// stopped it. Throws core::Error for what ends the job: a model, a device, an output that cannot be written.
int run_batch(const BatchOptions& options);

}  // namespace vulcap::apps
