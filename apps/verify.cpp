#include "loader/verify/verify.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/commands.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  ModelOptions model;
  std::string format = "text";
  bool failures_only = false;
  std::string only;  // graphs or pipeline; empty: both
};

void print_row(const loader::VerifyRow& row) {
  std::printf("%-44s %-26s %10.2e %10.2e  %s%s%s\n", row.subject.c_str(), row.output.c_str(), row.max_abs,
              row.max_rel,
              row.skipped ? "skip"
              : row.pass  ? "pass"
                          : "FAIL",
              row.note.empty() ? "" : ": ", row.note.c_str());
  std::fflush(stdout);
}

void print_json(const loader::VerifyRow& row) {
  const nlohmann::json item{{"subject", row.subject}, {"output", row.output}, {"max_abs", row.max_abs},
                            {"max_rel", row.max_rel}, {"pass", row.pass},     {"skipped", row.skipped},
                            {"note", row.note}};
  std::printf("%s\n", item.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

int run(const Options& options) {
  const session::OpenedDevice opened = options.model.open();
  loader::VerifyOptions verify;
  verify.load = options.model.load_options();
  verify.adapter = std::exchange(verify.load.adapter, {});
  verify.graphs = options.only != "pipeline";
  verify.pipeline = options.only != "graphs";
  const bool text = options.format == "text";
  bool titled = !text;
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  loader::verify(options.model.model_dir(), *opened.device, verify, [&](const loader::VerifyRow& row) {
    if (!titled)
      std::printf("%-44s %-26s %10s %10s  %s\n", "subject", "output", "max abs", "max rel", "result");
    titled = true;
    ++(row.skipped ? skipped : row.pass ? passed : failed);
    if (options.failures_only && row.pass) return;
    text ? print_row(row) : print_json(row);
  });
  const std::string skips = skipped > 0 ? ", " + std::to_string(skipped) + " skipped" : "";
  std::fprintf(text ? stdout : stderr, "%d passed, %d failed%s on %s\n", passed, failed, skips.c_str(),
               opened.name.c_str());
  return failed == 0 ? 0 : int(core::ErrorCode::kMismatch);
}

}  // namespace

Command add_verify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("verify", "Compare a model folder with the answers in its expected/ folder");
  options->model.add_to(*command);
  command->add_option("folder", options->model.model, "Model folder; the same as --model");
  command->add_option("--format", options->format, "text or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->capture_default_str();
  command->add_option("--only", options->only, "graphs or pipeline; default: both")
      ->check(CLI::IsMember({"graphs", "pipeline"}));
  command->add_flag("--failures", options->failures_only, "Print failed rows only");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
