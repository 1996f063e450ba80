#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/task_command.h"
#include "loader/tasks/mask_filler.h"
#include "loader/tasks/pipeline_json.h"

namespace vulcap::apps {
namespace {

struct Options {
  TaskOptions task;
  loader::FillOptions fill;
  std::string targets;
};

std::string lines(const std::vector<std::vector<loader::MaskFill>>& fills) {
  std::string text;
  for (size_t mask = 0; mask < fills.size(); ++mask) {
    if (fills.size() > 1) text += "  mask " + std::to_string(mask + 1) + ":\n";
    for (const auto& fill : fills[mask]) {
      char score[32];
      std::snprintf(score, sizeof score, "  %.6f  ", double(fill.score));
      text += score + fill.token_text + "  |  " + fill.sequence + "\n";
    }
  }
  return text;
}

int run(const Options& options) {
  const std::vector<std::string> texts = options.task.read_inputs();
  const session::OpenedDevice opened = options.task.open();
  loader::MaskFiller filler(options.task.model.model_dir(), *opened.device,
                            options.task.model.load_options());
  const TaskReport report(filler);
  loader::FillOptions fill = options.fill;
  fill.targets = split_list(options.targets);
  return answer_all(options.task, texts, 1, [&](std::span<const std::string> one) {
    const auto fills = filler.fill(one[0], fill);
    return std::vector<TaskResult>{{loader::fills_json(fills), lines(fills)}};
  });
}

}  // namespace

Command add_fill_mask(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("fill-mask", "Say which tokens stand where a text has the model's mask token");
  options->task.add_to(*command, "texts", "Texts with one mask token or several");
  command->add_option(both_spellings("top-k"), options->fill.top_k, "Tokens a mask")->capture_default_str();
  command->add_option("--targets", options->targets, "a,b: only these tokens are scored");
  command->add_option(both_spellings("max-length"), options->fill.tokenize.max_length,
                      "Tokens of a text at most; what is longer is cut");
  return [options] {
    if (options->fill.tokenize.max_length)
      options->fill.tokenize.truncation = loader::truncation_named("true");
    return run(*options);
  };
}

}  // namespace vulcap::apps
