#include "loader/hub/pull.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  std::string name;
  std::vector<std::string> files;
  std::string dtype = "auto";
  bool list = false;
  HubOptions hub;
};

std::string size_text(const std::optional<uint64_t>& size) {
  return size ? amount_text(double(*size), "bytes") : "?";
}

int list(const hub::Settings& settings, const hub::PullRequest& request) {
  uint64_t wanted = 0, missing = 0;
  for (const hub::FileState& state : hub::list_states(settings, request)) {
    const char* what = state.cached ? "cached" : state.wanted ? "wanted" : "";
    std::printf("%10s  %-6s  %s\n", size_text(state.file.size).c_str(), what, state.file.name.c_str());
    if (!state.wanted) continue;
    wanted += state.file.size.value_or(0);
    if (!state.cached) missing += state.file.size.value_or(0);
  }
  log_info(request.source.repo + " needs " + size_text(wanted) + " (dtype " + request.dtype + "), " +
           size_text(missing) + " of it not in the cache");
  return 0;
}

int run(const Options& options) {
  const auto name = hub::parse_model_name(options.name);
  if (!name) {
    throw core::Error(core::ErrorCode::kUsage,
                      "'" + options.name + "' is no repository; write org/model or org/model:dtype");
  }
  const hub::Settings settings = options.hub.settings();
  const hub::PullRequest request{
      {name->repo, options.hub.revision}, with_dtype_of(*name, options.dtype), options.files};
  if (options.list) return list(settings, request);
  const std::filesystem::path folder = settings.offline && options.files.empty()
                                           ? locate_on_hub(name->repo, request.dtype, options.hub)
                                           : pull_for_user(settings, request);
  std::printf("%s\n", folder.c_str());
  return 0;
}

}  // namespace

Command add_pull(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("pull", "Download a model of a hub into the shared cache; prints its folder");
  command->add_option("model", options->name, "org/model, or org/model:dtype as in org/model:q4")->required();
  command->add_option("files", options->files,
                      "Names of files to fetch instead of those that the model needs; * and ? match");
  command->add_option("--dtype", options->dtype, "Variant of the model's files, as for the other commands")
      ->capture_default_str();
  command->add_flag("--list", options->list,
                    "Show the repository's files: size, whether wanted or cached already; download nothing");
  options->hub.add_to(*command);
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
