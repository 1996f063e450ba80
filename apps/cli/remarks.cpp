#include "apps/cli/remarks.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace vulcap::apps {

void Remarks::warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    if (told_.insert(warning).second) std::fprintf(stderr, "vulcap: warning: %s\n", warning.c_str());
  }
}

void Remarks::tell(const loader::Fallbacks& fallbacks) {
  for (const auto& [reason, calls] : fallbacks) {
    if (told_.insert(reason).second)
      std::fprintf(stderr, "vulcap: fallback to cpu: %s (%d calls)\n", reason.c_str(), calls);
  }
}

std::string dumped(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace vulcap::apps
