#include "loader/hub/push.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"
#include "runtime/session/open_device.h"

namespace vulcap::apps {
namespace {

struct Options {
  hub::PushRequest request{.summary = "Upload a model folder with vulcap"};
  std::string format = "text";
  bool dry_run = false;
  HubOptions hub;
};

void warn_without_card(const std::vector<hub::LocalFile>& files) {
  const bool has_card = std::any_of(files.begin(), files.end(),
                                    [](const hub::LocalFile& file) { return file.name == "README.md"; });
  if (!has_card) log_warning("the files have no README.md; vulcap card writes one");
}

int list(const std::vector<hub::LocalFile>& files) {
  uint64_t total = 0;
  for (const hub::LocalFile& file : files) {
    std::printf("%10s  %s\n", amount_text(double(file.size), "bytes").c_str(), file.name.c_str());
    total += file.size;
  }
  log_info(std::to_string(files.size()) + " files, " + amount_text(double(total), "bytes") +
           "; nothing was pushed");
  return 0;
}

hub::PushResult push_for_user(const hub::Settings& settings, const hub::PushRequest& request) {
  std::optional<Progress> progress;
  hub::PushEvents events;
  events.on_work = [&](const std::string& work, uint64_t total, uint64_t there) {
    progress.emplace(request.target.repo + " " + work, "bytes", total);
    progress->skip(there);
    if (there > 0) log_info("going on after " + amount_text(double(there), "bytes") + " of an earlier push");
  };
  events.on_bytes = [&](uint64_t bytes) {
    if (progress) progress->advance(bytes);
  };
  events.on_remark = [](const std::string& line) { log_info(line); };
  return hub::push(settings, request, events);
}

void print(const hub::PushResult& result, const Options& options) {
  if (options.format == "json") {
    const nlohmann::json record{{"commit", result.commit},
                                {"url", result.url},
                                {"changed", result.changed},
                                {"unchanged", result.unchanged},
                                {"bytes_uploaded", result.sent}};
    std::printf("%s\n", record.dump().c_str());
    return;
  }
  std::printf("%s\n", hub::printable(result.url).c_str());
  const std::string& repo = options.request.target.repo;
  if (result.changed == 0) return log_info(repo + " has all of it already: no commit");
  log_info(repo + ": " + std::to_string(result.changed) + " files committed, " +
           std::to_string(result.unchanged) + " unchanged, " + amount_text(double(result.sent), "bytes") +
           " of large files uploaded");
}

int run(Options options) {
  hub::PushRequest& request = options.request;
  const std::vector<hub::LocalFile> files = hub::list_local_files(request.folder, request.files);
  hub::check_weights(files);
  if (options.dry_run) return list(files);
  warn_without_card(files);
  if (const auto cache = session::default_cache_dir(); !cache.empty()) request.notes = cache / "uploads";
  request.target.revision = options.hub.revision;
  print(push_for_user(options.hub.settings(), request), options);
  return 0;
}

}  // namespace

Command add_push(CLI::App& app) {
  auto options = std::make_shared<Options>();
  hub::PushRequest& request = options->request;
  CLI::App* command = app.add_subcommand(
      "push", "Upload a model folder to a hub as one commit, going on where an earlier push stopped");
  command->add_option("repository", request.target.repo, "org/name; made where it is missing")->required();
  command->add_option("folder", request.folder, "Model folder")->required();
  command->add_option("--include", request.files.include, "Only files with these names; * and ? match")
      ->allow_extra_args(false);
  command->add_option("--exclude", request.files.exclude, "All files but these; * and ? match")
      ->allow_extra_args(false);
  command->add_option("--message", request.summary, "First line of the commit")->capture_default_str();
  command->add_option("--description", request.description, "The rest of the commit's text");
  command->add_option("--revision", options->hub.revision, "Branch; made where it is missing")
      ->capture_default_str();
  command->add_flag("--private", request.is_private, "Hide the repository from others, if it is made now");
  command->add_flag("--create-pr", request.pull_request, "Propose the commit as a pull request");
  command->add_option("--hf-token", options->hub.token, "Token that may write (or -hft; or HF_TOKEN)");
  command->add_flag("--dry-run", options->dry_run, "Show the files and their sizes; ask and send nothing");
  command->add_option("--format", options->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
