#include "loader/hub/cache.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "apps/commands.h"
#include "loader/hub/settings.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

struct Options {
  std::string format = "text";
  std::vector<std::string> removed;
};

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text.empty() ? "-" : text;
}

void print_text(const std::vector<hub::CachedRepo>& repos, const std::filesystem::path& cache) {
  size_t width = 5;
  uint64_t total = 0;
  for (const hub::CachedRepo& repo : repos) width = std::max(width, repo.repo.size());
  if (!repos.empty())
    std::printf("%-*s  %10s  %-12s  %s\n", int(width), "model", "size", "dtypes", "revisions");
  for (const hub::CachedRepo& repo : repos) {
    std::printf("%-*s  %10s  %-12s  %s\n", int(width), repo.repo.c_str(),
                amount_text(double(repo.bytes), "bytes").c_str(), joined(repo.dtypes).c_str(),
                joined(repo.revisions).c_str());
    total += repo.bytes;
  }
  log_info(cache.string() + ": " + std::to_string(repos.size()) +
           (repos.size() == 1 ? " model, " : " models, ") + amount_text(double(total), "bytes"));
}

void print_json(const std::vector<hub::CachedRepo>& repos) {
  nlohmann::json all = nlohmann::json::array();
  for (const hub::CachedRepo& repo : repos) {
    all.push_back({{"model", repo.repo},
                   {"size", repo.bytes},
                   {"dtypes", repo.dtypes},
                   {"revisions", repo.revisions},
                   {"path", repo.dir.string()}});
  }
  std::printf("%s\n", dumped(all, 2).c_str());
}

void remove(const std::vector<hub::CachedRepo>& repos, const std::vector<std::string>& names) {
  std::vector<const hub::CachedRepo*> found;
  for (const std::string& name : names) {
    const auto at =
        std::find_if(repos.begin(), repos.end(), [&](const auto& repo) { return repo.repo == name; });
    if (at == repos.end())
      throw core::Error(core::ErrorCode::kRuntime, name + " is not in the cache; vulcap cache lists what is");
    found.push_back(&*at);
  }
  for (const hub::CachedRepo* repo : found) {
    std::error_code error;
    std::filesystem::remove_all(repo->dir, error);
    if (error) {
      throw core::Error(core::ErrorCode::kRuntime,
                        repo->dir.string() + ": cannot be removed (" + error.message() + ")");
    }
    log_info("removed " + repo->repo + " (" + amount_text(double(repo->bytes), "bytes") + ")");
  }
}

int run(const Options& options) {
  const std::filesystem::path cache = hub::read_settings().cache;
  const std::vector<hub::CachedRepo> repos = hub::list_cache(cache);
  if (!options.removed.empty()) {
    remove(repos, options.removed);
  } else if (options.format == "json") {
    print_json(repos);
  } else {
    print_text(repos, cache);
  }
  return 0;
}

}  // namespace

Command add_cache(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("cache", "List the models of hubs that are in the shared cache");
  command->add_option("--format", options->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_option("--remove", options->removed,
                      "Delete this model (org/model) from the cache, for Python too");
  return [options] { return run(*options); };
}

}  // namespace vulcap::apps
