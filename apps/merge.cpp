#include "apps/batch/merge.h"

#include <CLI/CLI.hpp>

#include "apps/commands.h"

namespace vulcap::apps {

Command add_merge(CLI::App& app) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* command =
      app.add_subcommand("merge", "Join the outputs of a batch job's parts, and say what is missing");
  command->add_option("parts", options->parts, "Outputs of vulcap batch, each with its journal beside it")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "The joined file, written whole or not at all; records are sorted by their image's name")
      ->required();
  command
      ->add_option(
          "--inputs", options->inputs.inputs,
          "The inputs of the job: every image in them must have a record, and their order is the output's")
      ->allow_extra_args(false);
  options->inputs.add_lists_to(*command);
  command->add_option("--missing-list", options->missing_list,
                      "Write the names of images without a caption into this file, a line each");
  command->add_flag("--partial", options->partial,
                    "Join what is there although something is missing (exit code 5)");
  command->add_flag("--overwrite", options->overwrite, "Replace an output that holds records already");
  command->footer(
      "Examples:\n"
      "  vulcap merge captions.*-of-00016.jsonl -o captions.jsonl\n"
      "  vulcap merge captions.*.jsonl --inputs photos -o captions.jsonl    every photo must have a record");
  return [options] { return run_merge(*options); };
}

}  // namespace vulcap::apps
