// vulcap: image captions from ONNX models, on Vulkan and on the CPU.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "apps/cli/console_options.h"
#include "apps/cli/log.h"
#include "apps/cli/placement_report.h"
#include "apps/cli/short_names.h"
#include "apps/commands.h"
#include "apps/device_list.h"
#include "runtime/core/error.h"

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 an input or a run failed, 2 wrong usage, 3 invalid or unsupported model, 4 no "
    "usable device,\n"
    "6 verification found a difference. Results go to stdout, everything else to stderr.";

using namespace vulcap::apps;
namespace apps = vulcap::apps;

// In the order of --help.
constexpr Command (*kCommands[])(CLI::App&) = {
    apps::add_caption,
    apps::add_watch,
    apps::add_batch,
    apps::add_generate,
    apps::add_classify,
    apps::add_ner,
    apps::add_qa,
    apps::add_fill_mask,
    apps::add_transcribe,
    apps::add_embed,
    apps::add_search,
    apps::add_verify,
    apps::add_inspect,
    apps::add_devices,
    apps::add_doctor,
    apps::add_bench,
    apps::add_run,
    apps::add_merge_lora,
    apps::add_tokenize,
    apps::add_pull,
    apps::add_cache,
    apps::add_conformance,
    apps::add_conformance_worker,
    apps::add_bench_worker,
    apps::add_probe_devices,
};

int run(int argc, char** argv) {
  CLI::App app{"vulcap captions images with ONNX vision-language models, on Vulkan or on the CPU."};
  app.set_version_flag("--version", std::string("vulcap ") + VULCAP_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  ConsoleOptions console_options;
  Command chosen;
  for (auto add : kCommands) {
    const size_t before = app.get_subcommands({}).size();
    Command command = add(app);
    CLI::App& subcommand = *app.get_subcommands({}).at(before);
    console_options.add_to(subcommand);
    subcommand.callback([&chosen, command] { chosen = command; });
  }
  try {
    const std::vector<const char*> arguments = with_cli11_names(argc, argv);
    app.parse(int(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    throw vulcap::core::Error(vulcap::core::ErrorCode::kUsage,
                              std::string(error.what()) + "; see vulcap --help");
  }
  console_options.apply(*app.get_subcommands().front());
  return chosen();
}

int report(int code, const char* message) {
  std::fflush(stdout);
  log_error(message);
  return code;
}

// Results that did not reach stdout are a failure, whatever the command thinks.
int flushed(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return report(int(vulcap::core::ErrorCode::kRuntime),
                (std::string("stdout: the results cannot be written: ") + std::strerror(errno)).c_str());
}

// A report that was asked for belongs to the results.
int reported(int code) {
  try {
    placement_report().write(code);
    return code;
  } catch (const vulcap::core::Error& error) {
    return report(code == 0 ? int(error.code()) : code, error.what());
  }
}

int guarded(int argc, char** argv) {
  try {
    return flushed(run(argc, argv));
  } catch (const vulcap::core::Error& error) {
    return report(int(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return report(int(vulcap::core::ErrorCode::kRuntime), "out of memory");
  } catch (const std::exception& error) {
    return report(int(vulcap::core::ErrorCode::kRuntime), error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  set_probe_command({"/proc/self/exe", "probe-devices"});
  return reported(guarded(argc, argv));
}
