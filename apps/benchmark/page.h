// Measurements as one self-contained HTML page: inline SVG, no script, nothing from elsewhere.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/benchmark/measurement.h"

namespace vulcap::apps {

// `pictures`: the files that were captioned; empty where they have none. Throws core::Error(kRuntime) when
// the page cannot be written.
void write_page(const std::filesystem::path& file, const std::vector<Measurement>& measured,
                const nlohmann::json& machine, const std::vector<std::string>& pictures);

}  // namespace vulcap::apps
