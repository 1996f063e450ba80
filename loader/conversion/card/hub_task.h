// What a model is for, in the hub's words.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vulcap::card {

// The pipeline_tag of a folder with this config.json; "" where nothing says it.
std::string hub_task(const std::filesystem::path& folder, const nlohmann::json& config);

// How vulcap is asked for that, with MODEL in place of the model's name; "" where no subcommand is for it.
std::string_view usage_of(std::string_view task);

}  // namespace vulcap::card
