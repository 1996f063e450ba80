#include "apps/batch/job_header.h"

namespace vulcap::apps {
namespace {

std::string shown(const nlohmann::json& value) {
  if (value.is_null()) return "not set";
  return value.is_string() ? "'" + value.get<std::string>() + "'" : value.dump();
}

}  // namespace

std::string header_differences(const nlohmann::json& there, const nlohmann::json& now,
                               const std::vector<std::string>& fields) {
  std::string text;
  const auto compare = [&](const std::string& name, const nlohmann::json& a, const nlohmann::json& b) {
    if (a != b) text += (text.empty() ? "" : ", ") + name + " (" + shown(a) + " there, " + shown(b) + " now)";
  };
  for (const std::string& name : fields)
    compare(name, there.value(name, nlohmann::json()), now.value(name, nlohmann::json()));
  const nlohmann::json before = there.value("settings", nlohmann::json::object());
  const nlohmann::json after = now.value("settings", nlohmann::json::object());
  nlohmann::json all = before;
  all.update(after);
  for (const auto& [name, unused] : all.items())
    compare(name, before.value(name, nlohmann::json()), after.value(name, nlohmann::json()));
  return text;
}

}  // namespace vulcap::apps
