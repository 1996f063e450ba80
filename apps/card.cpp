#include "loader/conversion/card/card.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <span>

#include "apps/cli/log.h"
#include "apps/commands.h"
#include "loader/hub/names.h"
#include "loader/new_file.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path folder;
  std::string repository;
  card::Words words;
  std::vector<std::string> devices{"cpu"};
  bool no_verify = false;
  std::string output;  // empty: README.md of the folder
  bool force = false;
};

card::Verification verify_on(const fs::path& folder, const std::string& device) {
  DeviceOptions wanted;
  wanted.device = device;
  const session::OpenedDevice opened = wanted.open();
  card::Verification result;
  result.device = opened.name;
  loader::verify(folder, *opened.device, {}, [&result](const loader::VerifyRow& row) { result.take(row); });
  return result;
}

std::vector<card::Verification> verify(const Options& options) {
  if (options.no_verify) return {};
  if (!fs::is_directory(options.folder / "expected")) {
    log_warning(options.folder.string() +
                " has no expected/ folder: the card says that nothing was verified");
    return {};
  }
  std::vector<card::Verification> results;
  for (const std::string& device : options.devices) {
    results.push_back(verify_on(options.folder, device));
    if (results.back().passed()) continue;
    throw core::Error(core::ErrorCode::kMismatch,
                      options.folder.string() + ": no card, as answers differ on " + results.back().device +
                          " (" + results.back().first_failure + "); see vulcap verify, or give --no-verify");
  }
  return results;
}

void write(const Options& options, const fs::path& path, const std::string& text) {
  if (options.output == "-") {
    std::printf("%s", text.c_str());
    return;
  }
  loader::NewFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
  std::printf("%s\n", path.c_str());
}

int run(Options options) {
  const fs::path path = options.output.empty() ? options.folder / "README.md" : fs::path(options.output);
  if (options.output != "-" && fs::exists(path) && !options.force)
    throw core::Error(core::ErrorCode::kUsage, path.string() + " exists; --force replaces it");
  if (!options.repository.empty() && !hub::is_repo_id(options.repository))
    throw core::Error(core::ErrorCode::kUsage,
                      "--repository takes org/name, not '" + options.repository + "'");
  const card::ModelFacts facts = card::read_facts(options.folder);
  options.words.title =
      options.repository.empty() ? fs::canonical(options.folder).filename().string() : options.repository;
  for (const std::string& line : card::missing_words(facts, options.words)) log_warning(line);
  write(options, path, card::card_text(facts, options.words, verify(options)));
  return 0;
}

}  // namespace

Command add_card(CLI::App& app) {
  auto options = std::make_shared<Options>();
  card::Words& words = options->words;
  CLI::App* command = app.add_subcommand(
      "card", "Write a model card: what the folder holds, how it was made, and how it was verified just now");
  command->add_option("folder", options->folder, "Model folder")->required();
  const auto list = [command](const char* name, std::vector<std::string>& values, const char* text) {
    command->add_option(name, values, text)->delimiter(',')->allow_extra_args(false);
  };
  command->add_option("--repository", options->repository, "org/name that the folder will have on a hub");
  command->add_option("--license", words.license,
                      "The licence's identifier: apache-2.0, mit, cc-by-4.0, other, ...");
  command->add_option("--license-name", words.license_name, "Of the licence 'other'");
  command->add_option("--license-link", words.license_link, "Of the licence 'other'");
  command->add_option("--base-model", words.base_model,
                      "org/name of what it was made from; default: as config.json says");
  command->add_option("--relation", words.relation, "How it was made from that; default: as the dtypes say")
      ->check(CLI::IsMember({"quantized", "finetune", "adapter", "merge"}));
  command->add_option("--task", words.task, "The hub's name for what it is for; default: as the folder says");
  command->add_option("--library", words.library, "library_name")->capture_default_str();
  list("--language", words.languages, "en,de: languages that it writes or reads");
  list("--tag", words.tags, "a,b: further tags");
  list("--dataset", words.datasets, "org/name,...: what it was trained on");
  list("--device", options->devices, "cpu, vulkan, ...: where to verify; a list in turn; default: cpu");
  command->add_flag("--no-verify", options->no_verify, "Verify nothing, and say so");
  command->add_option("-o,--output", options->output,
                      "File to write, - for stdout; default: README.md of the folder");
  command->add_flag("--force", options->force, "Replace a file that is there");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
