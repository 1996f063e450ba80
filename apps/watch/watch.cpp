#include <CLI/CLI.hpp>

#include "apps/captioning/caption_run.h"
#include "apps/cli/log.h"
#include "apps/cli/stop_signals.h"
#include "apps/commands.h"
#include "apps/watch/folder_watcher.h"

namespace vulcap::apps {
namespace {

struct Options {
  CaptionOptions caption;
  std::string folder;
  bool existing = false;
  bool recursive = false;
};

void caption_all(CaptionRun& run, const std::vector<std::filesystem::path>& files) {
  if (files.empty()) return;
  Progress progress("watch", "images", files.size());
  for (const std::filesystem::path& file : files) {
    const size_t failed_before = run.failed();
    run.caption(file.string());
    progress.advance(1, run.failed() - failed_before);
  }
}

// Ends by a signal or an error only.
[[noreturn]] void follow(CaptionRun& run, FolderWatcher& watcher) {
  for (;;) {
    caption_all(run, watcher.take());
    if (!StopSignals::wait_readable(watcher.descriptor())) stop_if_asked();
  }
}

int run(const Options& options) {
  const StopSignals signals{SIGINT, SIGTERM};
  // Before the model is loaded, so that nothing that comes meanwhile is missed.
  FolderWatcher watcher(options.folder, options.recursive);
  CaptionRun run(options.caption, true, true);
  log_info("watching " + options.folder + "; stop with Ctrl-C");
  try {
    if (options.existing) caption_all(run, watcher.existing());
    follow(run, watcher);
  } catch (const Stopped& stopped) {
    run.finish(false);
    return stopped.exit_code();
  }
}

}  // namespace

Command add_watch(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("watch", "Caption images as they appear in a folder");
  command->add_option("folder", options->folder, "The folder")->required();
  command->add_flag("--existing", options->existing, "Caption what is there already, first");
  command->add_flag("-r,--recursive", options->recursive, "Folders below it too");
  options->caption.add_to(*command, {"text", "jsonl", "csv"});
  command->footer(
      "Examples:\n"
      "  vulcap watch ~/Pictures/incoming --sidecar\n"
      "  vulcap watch shots --recursive --existing --format jsonl >> captions.jsonl\n"
      "It ends by Ctrl-C (exit code 130) or SIGTERM (143).");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
