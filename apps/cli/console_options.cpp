#include "apps/cli/console_options.h"

#include <CLI/CLI.hpp>

#include "apps/cli/console.h"
#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr const char* kGroup = "Messages (stderr)";

template <class Add>
void add(CLI::App& command, const std::string& long_name, Add&& option) {
  if (command.get_option_no_throw(long_name) == nullptr) option()->group(kGroup);
}

ColorMode color_mode(const std::string& text) {
  return text == "always" ? ColorMode::kAlways : text == "never" ? ColorMode::kNever : ColorMode::kAuto;
}

ProgressMode progress_mode(const std::string& text) {
  return text == "json" ? ProgressMode::kJson : text == "never" ? ProgressMode::kNever : ProgressMode::kAuto;
}

}  // namespace

void ConsoleOptions::add_to(CLI::App& command) {
  add(command, "--verbose", [&] {
    return command.add_flag("-v,--verbose", verbose,
                            "Device, files, timings and every fallback with its reason");
  });
  add(command, "--quiet", [&] { return command.add_flag("-q,--quiet", quiet, "Errors only"); });
  add(command, "--progress", [&] {
    return command
        .add_option("--progress", progress,
                    "How far long work is: auto (a bar on a terminal), never, json (a line an event)")
        ->check(CLI::IsMember({"auto", "never", "json"}))
        ->capture_default_str();
  });
  add(command, "--color", [&] {
    return command.add_option("--color", color, "auto obeys NO_COLOR, CLICOLOR_FORCE and TERM=dumb")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->capture_default_str();
  });
  add(command, "--log-file", [&] {
    return command.add_option("--log-file", log_file,
                              "Append every message to this file, whatever stderr shows");
  });
  add(command, "--log-jsonl", [&] {
    return command.add_option("--log-jsonl", log_jsonl, "The same as {time, level, message}, one a line");
  });
}

void ConsoleOptions::apply(const CLI::App& command) const {
  const CLI::Option* verbose_flag = command.get_option_no_throw("--verbose");
  const bool detailed = verbose_flag != nullptr && verbose_flag->count() > 0 && verbose_flag->as<bool>();
  if (quiet && detailed)
    throw core::Error(core::ErrorCode::kUsage, "--quiet and --verbose ask for opposites; give one");
  console().set_color(color_mode(color));
  set_progress_mode(quiet && progress == "auto" ? ProgressMode::kNever : progress_mode(progress));
  LogSettings settings;
  settings.shown = quiet ? LogLevel::kError : detailed ? LogLevel::kDetail : LogLevel::kInfo;
  settings.file = log_file;
  settings.jsonl = log_jsonl;
  open_log(settings);
}

}  // namespace vulcap::apps
