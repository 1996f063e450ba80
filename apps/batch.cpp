#include <CLI/CLI.hpp>

#include "apps/batch/job.h"
#include "apps/commands.h"

namespace vulcap::apps {

Command add_batch(CLI::App& app) {
  auto options = std::make_shared<BatchOptions>();
  CLI::App* command =
      app.add_subcommand("batch", "Caption many images into a file, and go on where a stopped job ended");
  options->model.add_to(*command);
  options->shard.add_to(*command);
  InputOptions& inputs = options->inputs;
  command->add_option("inputs", inputs.inputs,
                      "Images, folders (with all below them), patterns ('photos/**/*.jpg'), tar archives and "
                      "WebDataset shards, lists (.txt, .csv, .tsv, .jsonl; - for stdin)");
  inputs.add_lists_to(*command);
  command
      ->add_option("-o,--output", options->output,
                   "File that records are appended to; what has a record there is not captioned again. "
                   "'{shard}' in it becomes the shard's number")
      ->required();
  command->add_option("--format", options->format, "jsonl (an object an image) or csv (a row a caption)")
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  command->add_flag("--sidecar", options->sidecar, "Write photo.txt beside photo.jpg too");
  command->add_option("-b,--batch-size", options->batch_size, "Images that run together")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--decode-threads", options->decode_threads,
                   "Threads that read and decode images ahead; 0: every processor this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  CLI::Option* overwrite =
      command->add_flag("--overwrite", options->overwrite, "Begin anew: forget what is in the output");
  command
      ->add_flag_function(
          "--resume", [](int64_t) {}, "Go on with what is in the output: the default")
      ->excludes(overwrite);
  command->add_flag("--retry-failed", options->retry_failed, "Try images again whose record is an error")
      ->excludes(overwrite);
  command->add_option("--max-failures", options->max_failures,
                      "Stop once more images than that have failed; default: never");
  command->add_option("-p,--prompt", options->prompt.text,
                      "What captions start with, a question, or an instruction: as the family takes it");
  command->add_option("--task", options->prompt.task, "A task that the family knows, as for caption");
  options->generation.add_to(*command);
  return [options] { return run_batch(*options); };
}

}  // namespace vulcap::apps
