#include "apps/commands.h"

#include <CLI/CLI.hpp>

#include "apps/cli/console.h"
#include "apps/documentation/completion.h"
#include "apps/documentation/manual.h"

namespace vulcap::apps {

Command add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "Print what a shell needs to complete vulcap's commands and flags");
  command->add_option("shell", *shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  source <(vulcap completion bash)\n"
      "  vulcap completion fish > ~/.config/fish/completions/vulcap.fish");
  return [shell, &app] {
    console().result(completion_script(describe(app), *shell));
    return 0;
  };
}

Command add_manual(CLI::App& app) {
  auto markdown = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("manual", "Print the manual page: vulcap manual | man -l -");
  command->add_flag("--markdown", *markdown, "The tables of docs/commands.md instead");
  return [markdown, &app] {
    const ProgramInfo program = describe(app);
    console().result(*markdown ? commands_markdown(program) : manual_page(program, VULCAP_VERSION));
    return 0;
  };
}

}  // namespace vulcap::apps
