// vulcap: image captions from ONNX models, on Vulkan and on the CPU.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "apps/cli/console.h"
#include "apps/cli/console_options.h"
#include "apps/cli/log.h"
#include "apps/cli/placement_report.h"
#include "apps/cli/settings.h"
#include "apps/cli/short_names.h"
#include "apps/commands.h"
#include "apps/device_list.h"
#include "apps/documentation/completion.h"
#include "apps/documentation/exit_codes.h"
#include "apps/documentation/help.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr const char* kCaptions = "Captions";
constexpr const char* kTexts = "Texts, labels, vectors, speech";
constexpr const char* kModels = "Models";
constexpr const char* kMachine = "Machine and shell";
constexpr const char* kHidden = "";

struct Row {
  const char* group;
  Command (*add)(CLI::App&);
};

// In the order of --help.
constexpr Row kCommands[] = {
    {kCaptions, add_caption},
    {kCaptions, add_watch},
    {kCaptions, add_batch},
    {kCaptions, add_merge},
    {kCaptions, add_serve},
    {kTexts, add_generate},
    {kTexts, add_classify},
    {kTexts, add_ner},
    {kTexts, add_qa},
    {kTexts, add_fill_mask},
    {kTexts, add_transcribe},
    {kTexts, add_embed},
    {kTexts, add_search},
    {kModels, add_pull},
    {kModels, add_card},
    {kModels, add_push},
    {kModels, add_cache},
    {kModels, add_verify},
    {kModels, add_inspect},
    {kModels, add_check},
    {kModels, add_diff},
    {kModels, add_run},
    {kModels, add_quantize},
    {kModels, add_pack},
    {kModels, add_unpack},
    {kModels, add_optimize},
    {kModels, add_merge_lora},
    {kModels, add_tokenize},
    {kModels, add_conformance},
    {kMachine, add_doctor},
    {kMachine, add_devices},
    {kMachine, add_bench},
    {kMachine, add_completion},
    {kMachine, add_manual},
    {kHidden, add_conformance_worker},
    {kHidden, add_bench_worker},
    {kHidden, add_probe_devices},
};

std::string footer() {
  std::string text =
      "Examples:\n"
      "  vulcap caption photo.jpg                      a caption, word by word, by the embedded model\n"
      "  vulcap caption -m DIR *.jpg --format jsonl    with another model, a record an image\n"
      "  vulcap caption -i                             paths line by line; the model stays loaded\n"
      "  vulcap watch DIR --sidecar                    photo.txt beside each photo.jpg that appears\n"
      "  vulcap batch DIR -o OUT.jsonl -b 16           a job that goes on where it was stopped\n"
      "  vulcap doctor                                 why it runs where it runs\n"
      "\nResults go to stdout, everything else to stderr. Exit codes:\n";
  for (const auto& [code, meaning] : kExitCodes)
    text += "  " + std::to_string(code) + (code < 10 ? "    " : "  ") + meaning + "\n";
  return text + "\nvulcap COMMAND --help says more of one command.";
}

void add_commands(CLI::App& app, ConsoleOptions& console_options, Command& chosen) {
  for (const Row& row : kCommands) {
    const size_t before = app.get_subcommands({}).size();
    Command command = row.add(app);
    CLI::App& subcommand = *app.get_subcommands({}).at(before);
    subcommand.group(row.group);
    subcommand.fallthrough();  // --config may stand behind the subcommand
    console_options.add_to(subcommand);
    add_variables(subcommand);
    subcommand.callback([&chosen, command] { chosen = command; });
  }
}

void add_program_flags(CLI::App& app) {
  app.set_version_flag("--version", std::string("vulcap ") + VULCAP_VERSION);
  add_config_file(app);
  app.add_option_function<std::string>(
         "--completion",
         [&app](const std::string& shell) {
           console().result(completion_script(describe(app), shell));
           throw CLI::Success();
         },
         "The same as the subcommand completion")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(footer());
}

int run(int argc, char** argv) {
  CLI::App app{"vulcap captions images with ONNX vision-language models, on Vulkan or on the CPU.", "vulcap"};
  ConsoleOptions console_options;
  Command chosen;
  add_program_flags(app);
  add_commands(app, console_options, chosen);
  try {
    const std::vector<const char*> arguments = with_cli11_names(argc, argv);
    app.parse(int(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version, --completion
    throw core::Error(core::ErrorCode::kUsage, std::string(error.what()) + "; see vulcap --help");
  }
  if (!chosen) throw core::Error(core::ErrorCode::kUsage, "a subcommand is required; see vulcap --help");
  console_options.apply(*app.get_subcommands().front());
  for (const std::string& variable : unknown_variables(app))
    log_warning(variable + " names no flag of any subcommand and is left out");
  return chosen();
}

int report(int code, const std::string& message) {
  std::fflush(stdout);
  log_error(message);
  return code;
}

// Results that did not reach stdout are a failure, whatever the command thinks.
int flushed(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return report(int(core::ErrorCode::kRuntime),
                std::string("stdout: the results cannot be written: ") + std::strerror(errno));
}

// A report that was asked for belongs to the results.
int reported(int code) {
  try {
    placement_report().write(code);
    return code;
  } catch (const core::Error& error) {
    return report(code == 0 ? int(error.code()) : code, error.what());
  }
}

int guarded(int argc, char** argv) {
  try {
    return flushed(run(argc, argv));
  } catch (const core::Error& error) {
    return report(int(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return report(int(core::ErrorCode::kRuntime), "out of memory");
  } catch (const std::exception& error) {
    return report(int(core::ErrorCode::kRuntime), error.what());
  }
}

}  // namespace
}  // namespace vulcap::apps

int main(int argc, char** argv) {
  using namespace vulcap::apps;
  set_probe_command({"/proc/self/exe", "probe-devices"});
  return reported(guarded(argc, argv));
}
