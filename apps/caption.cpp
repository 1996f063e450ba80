#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/captioning/caption_run.h"
#include "apps/cli/console.h"
#include "apps/cli/line_reader.h"
#include "apps/cli/stop_signals.h"
#include "apps/commands.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  CaptionOptions caption;
  std::vector<std::string> images;
  bool interactive = false;
};

void caption_images(CaptionRun& run, const std::vector<std::string>& images) {
  Progress progress("caption", "images", images.size());
  for (const std::string& image : images) {
    const size_t failed_before = run.failed();
    run.caption(image);
    progress.advance(1, run.failed() - failed_before);
  }
}

// What a terminal makes of a file that is dropped on it: quotes around the path, or a backslash before
// blanks.
std::string unquoted(const std::string& line) {
  if (line.size() >= 2 && (line[0] == '\'' || line[0] == '"') && line.back() == line[0])
    return line.substr(1, line.size() - 2);
  std::string path;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    path += line[i];
  }
  return path;
}

std::string path_of(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  const std::string trimmed = line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
  for (const std::string& candidate : {line, trimmed, unquoted(trimmed)}) {
    std::error_code ignored;
    if (std::filesystem::exists(candidate, ignored)) return candidate;
  }
  return trimmed;
}

void caption_lines(CaptionRun& run) {
  const bool prompts = isatty(STDIN_FILENO) == 1;
  LineReader lines;
  for (;;) {
    if (prompts) console().prompt("image> ");
    const auto line = lines.next();
    if (!line) break;
    const std::string path = path_of(*line);
    if (!path.empty()) run.caption(path);
  }
  if (prompts) console().prompt("\n");
}

int run(const Options& options) {
  const StopSignals signals{SIGINT, SIGTERM};
  const bool several = options.images.size() > 1 || options.interactive;
  const bool typed = options.interactive && isatty(STDIN_FILENO) == 1;
  CaptionRun run(options.caption, several, several && !typed);
  run.check(options.images);
  try {
    if (!options.images.empty()) caption_images(run, options.images);
    if (options.interactive) caption_lines(run);
  } catch (const Stopped& stopped) {
    run.finish(false);
    return stopped.exit_code();
  }
  run.finish(true);
  return run.failed() == 0 ? 0 : int(core::ErrorCode::kRuntime);
}

// -i and --image without a value are the resident mode, as --interactive.
void take_images(Options& options, const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    if (value.empty()) {
      options.interactive = true;
    } else {
      options.images.push_back(value);
    }
  }
}

void check(const Options& options) {
  const size_t stdins = size_t(std::count(options.images.begin(), options.images.end(), "-"));
  if (options.images.empty() && !options.interactive) {
    throw core::Error(
        core::ErrorCode::kUsage,
        "no image; give PNG or JPEG files, - for bytes on stdin, or -i to read paths line by line");
  }
  if (stdins > 1 || (stdins == 1 && options.interactive))
    throw core::Error(core::ErrorCode::kUsage, "stdin holds one image (-) or the paths of -i, once");
  if (options.interactive && options.caption.format == "json")
    throw core::Error(core::ErrorCode::kUsage,
                      "--format json is one array at the end; -i answers at once: jsonl");
}

}  // namespace

Command add_caption(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("caption", "Print one caption an image");
  command
      ->add_option_function<std::vector<std::string>>(
          "-i,--image,images",
          [options](const std::vector<std::string>& values) { take_images(*options, values); },
          "PNG or JPEG files; -: bytes from stdin; -i without a value: --interactive")
      ->expected(0, CLI::detail::expected_max_vector_size);
  command->add_flag("--interactive", options->interactive,
                    "Keep the model loaded and caption the paths that stdin gives, one a line");
  options->caption.add_to(*command, {"text", "json", "jsonl", "csv"});
  command->add_option("-o,--output", options->caption.output,
                      "Write the results to this file, which is there whole or not at all");
  command->footer(
      "Examples:\n"
      "  vulcap caption photo.jpg\n"
      "  vulcap caption *.jpg --format csv -o captions.csv\n"
      "  curl -s https://example.org/cat.png | vulcap caption -\n"
      "  vulcap caption -m models/florence-2 --task od --overlay found.png photo.jpg\n"
      "  find . -name '*.png' | vulcap caption -i --format jsonl    # the model stays loaded");
  return [options] {
    check(*options);
    return run(*options);
  };
}

}  // namespace vulcap::apps
