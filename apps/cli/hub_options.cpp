#include "apps/cli/hub_options.h"

#include <CLI/CLI.hpp>
#include <set>

#include "apps/cli/log.h"
#include "apps/cli/progress.h"
#include "loader/hub/cache.h"
#include "loader/model_dir.h"
#include "runtime/core/error.h"

namespace vulcap::apps {

void HubOptions::add_to(CLI::App& command) {
  constexpr const char* kGroup = "Models of a hub";
  command.add_option("--revision", revision, "Branch, tag or commit of the repository")
      ->capture_default_str()
      ->group(kGroup);
  command.add_option("--hf-token", token, "Token for private and gated repositories (or -hft; or HF_TOKEN)")
      ->group(kGroup);
  command.add_flag("--offline", offline, "Take models from the cache only (or HF_HUB_OFFLINE=1)")
      ->group(kGroup);
}

hub::Settings HubOptions::settings() const {
  hub::Settings settings = hub::read_settings();
  if (!token.empty()) settings.token = token;
  settings.offline = settings.offline || offline;
  return settings;
}

std::optional<hub::ModelName> hub_model(const std::string& model, const std::string& hf_repo) {
  if (!model.empty() && !hf_repo.empty())
    throw core::Error(core::ErrorCode::kUsage, "--model and --hf-repo name two models; give one of them");
  if (!hf_repo.empty()) {
    const auto name = hub::parse_model_name(hf_repo);
    if (!name)
      throw core::Error(core::ErrorCode::kUsage, "--hf-repo takes org/model[:dtype], not '" + hf_repo + "'");
    return name;
  }
  std::error_code error;
  if (model.find('/') == model.npos || std::filesystem::exists(model, error)) return std::nullopt;
  return hub::parse_model_name(model);
}

std::string with_dtype_of(const hub::ModelName& name, const std::string& dtype) {
  if (name.dtype.empty() || name.dtype == dtype) return dtype;
  if (dtype != "auto") {
    throw core::Error(core::ErrorCode::kUsage,
                      name.repo + ":" + name.dtype + " and --dtype " + dtype + " contradict each other");
  }
  return name.dtype;
}

std::filesystem::path pull_for_user(const hub::Settings& settings, const hub::PullRequest& request) {
  std::optional<Progress> progress;
  uint64_t skipped = 0, came = 0;
  hub::PullEvents events;
  events.on_plan = [&](uint64_t total, uint64_t there) {
    if (!progress) progress.emplace(request.source.repo, "bytes", total);
    progress->set_total(total);
    progress->skip(there - skipped);
    skipped = there;
  };
  events.on_bytes = [&](uint64_t bytes) { came += bytes, progress->advance(bytes); };
  events.on_remark = [](const std::string& line) { log_info(line); };
  const std::filesystem::path folder = hub::pull(settings, request, events);
  progress.reset();
  log_info(request.source.repo + ": " +
           (came > 0 ? amount_text(double(came), "bytes") + " downloaded" : "nothing to download"));
  return folder;
}

// What stands in for fp32 files that nobody asked to do without.
void tell_dtype(const std::string& repo, const std::filesystem::path& snapshot) {
  std::set<std::string> dtypes;
  for (const std::string& file : hub::snapshot_files(snapshot))
    if (file.ends_with(".onnx")) dtypes.insert(loader::describe_onnx_file(file).dtype);
  if (dtypes.count("fp32")) return;
  std::string list;
  for (const std::string& dtype : dtypes) list += (list.empty() ? "" : ", ") + dtype;
  log_info(repo + ": the cache has no fp32 files but " + list + "; vulcap pull " + repo +
           ":fp32 fetches them");
}

std::filesystem::path locate_on_hub(const std::string& repo, const std::string& dtype,
                                    const HubOptions& options) {
  const hub::Settings settings = options.settings();
  const hub::PullRequest request{{repo, options.revision}, dtype, {}};
  if (const auto cached = hub::find_cached(settings, request)) {
    if (dtype == "auto") tell_dtype(repo, *cached);
    return *cached;
  }
  const std::string missing = repo + ": neither a folder nor in the cache " + settings.cache.string();
  if (settings.offline) {
    throw core::Error(core::ErrorCode::kInvalidModel,
                      missing + " (revision " + options.revision + ", dtype " + dtype +
                          "), and offline is set; run vulcap pull " + repo + " where there is a network");
  }
  log_info(missing + "; downloading it from " + settings.endpoint);
  return pull_for_user(settings, request);
}

}  // namespace vulcap::apps
