#include "loader/conversion/card/front_matter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

namespace vulcap::card {
namespace {

// Which YAML 1.1 or 1.2 takes for something else, in small letters.
constexpr std::array kNoTexts = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"};

bool is_plain(const std::string& text) {
  const auto fits = [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/');
  };
  std::string small = text;
  std::transform(small.begin(), small.end(), small.begin(), [](unsigned char c) { return std::tolower(c); });
  return !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), fits) &&
         std::find(kNoTexts.begin(), kNoTexts.end(), small) == kNoTexts.end();
}

}  // namespace

std::string yaml_text(const std::string& text) {
  if (is_plain(text)) return text;
  // A JSON string is a YAML string.
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void FrontMatter::add(const std::string& key, const std::string& value) {
  if (!value.empty()) lines_ += key + ": " + yaml_text(value) + "\n";
}

void FrontMatter::add(const std::string& key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  lines_ += key + ":\n";
  for (const std::string& value : values) lines_ += "- " + yaml_text(value) + "\n";
}

}  // namespace vulcap::card
