#include "apps/cli/remarks.h"

#include <nlohmann/json.hpp>

#include "apps/cli/fallbacks.h"
#include "apps/cli/log.h"

namespace vulcap::apps {

void Remarks::warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    if (told_.insert(warning).second) log_warning(warning);
  }
}

void Remarks::tell(const loader::Fallbacks& fallbacks) {
  for (const auto& [reason, calls] : fallbacks) {
    if (told_.insert(reason).second)
      tell_fallback("fallback to cpu: " + reason + " (" + std::to_string(calls) + " calls)");
  }
}

std::string dumped(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace vulcap::apps
