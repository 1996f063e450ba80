// The first line of a journal: with which settings the records of an output were made.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vulcap::apps {

// What would make records of the one unlike those of the other, as a list in words: of `fields` and of the
// "settings"; empty: nothing.
std::string header_differences(const nlohmann::json& there, const nlohmann::json& now,
                               const std::vector<std::string>& fields);

}  // namespace vulcap::apps
