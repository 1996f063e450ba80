// Options of a model hub, and models that are named as there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "apps/cli/cli11_fwd.h"
#include "loader/hub/names.h"
#include "loader/hub/pull.h"

namespace vulcap::apps {

struct HubOptions {
  std::string revision = "main";
  std::string token;  // empty: what the environment says
  bool offline = false;

  void add_to(CLI::App& command);
  // The environment's, with these over them.
  hub::Settings settings() const;
};

// The hub's model that --model and --hf-repo name; none when it is a folder. A folder goes before a hub's
// model of the same name. Throws core::Error(kUsage) when both are given, or --hf-repo is no such name.
std::optional<hub::ModelName> hub_model(const std::string& model, const std::string& hf_repo);

// --dtype, or what stands behind the colon. Throws core::Error(kUsage) when they contradict each other.
std::string with_dtype_of(const hub::ModelName& name, const std::string& dtype);

// The model's folder: what the cache has is taken as it is; what it lacks is downloaded, with a progress bar.
// Throws core::Error.
std::filesystem::path locate_on_hub(const std::string& repo, const std::string& dtype,
                                    const HubOptions& options);

// hub::pull with a progress bar and remarks on stderr.
std::filesystem::path pull_for_user(const hub::Settings& settings, const hub::PullRequest& request);

}  // namespace vulcap::apps
