#include "loader/hub/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultEndpoint = "https://huggingface.co";

// The first of `names` that is set to something.
std::string first_of(const Variables& variables, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = variables(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

std::string trimmed(std::string text) {
  const auto is_blank = [](unsigned char c) { return std::isspace(c) != 0; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_blank));
  text.erase(std::find_if_not(text.rbegin(), text.rend(), is_blank).base(), text.end());
  return text;
}

fs::path expanded(const std::string& path, const std::string& home) {
  if (path == "~") return home;
  return path.starts_with("~/") ? fs::path(home) / path.substr(2) : fs::path(path);
}

fs::path hub_home(const Variables& variables, const std::string& home) {
  if (const std::string set = first_of(variables, {"HF_HOME"}); !set.empty()) return expanded(set, home);
  if (const std::string set = first_of(variables, {"XDG_CACHE_HOME"}); !set.empty())
    return expanded(set, home) / "huggingface";
  return fs::path(home) / ".cache/huggingface";
}

std::string read_token(const Variables& variables, const fs::path& token_file) {
  const std::string set = trimmed(first_of(variables, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}));
  if (!set.empty()) return set;
  if (is_true(first_of(variables, {"HF_HUB_DISABLE_IMPLICIT_TOKEN"}))) return "";
  std::ifstream file(token_file);
  return trimmed({std::istreambuf_iterator<char>(file), {}});
}

void read_seconds(const Variables& variables, const char* name, std::chrono::seconds& seconds) {
  const std::string text = first_of(variables, {name});
  if (text.empty()) return;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1)
    throw core::Error(core::ErrorCode::kUsage,
                      std::string(name) + " takes whole seconds, not '" + text + "'");
  seconds = std::chrono::seconds(value);
}

std::string read_endpoint(const Variables& variables) {
  std::string endpoint = first_of(variables, {"HF_ENDPOINT"});
  if (endpoint.empty()) endpoint = kDefaultEndpoint;
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
    throw core::Error(core::ErrorCode::kUsage,
                      "HF_ENDPOINT takes an address as https://host, not '" + endpoint + "'");
  }
  return endpoint;
}

}  // namespace

Settings read_settings(const Variables& variables) {
  Settings settings;
  const std::string home = first_of(variables, {"HOME"});
  const fs::path root = hub_home(variables, home);
  settings.endpoint = read_endpoint(variables);
  const std::string cache = first_of(variables, {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  settings.cache = cache.empty() ? root / "hub" : expanded(cache, home);
  const std::string token_file = first_of(variables, {"HF_TOKEN_PATH"});
  settings.token = read_token(variables, token_file.empty() ? root / "token" : expanded(token_file, home));
  settings.offline = is_true(first_of(variables, {"HF_HUB_OFFLINE"})) ||
                     is_true(first_of(variables, {"TRANSFORMERS_OFFLINE"}));
  settings.ca_file = first_of(variables, {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"});
  read_seconds(variables, "HF_HUB_ETAG_TIMEOUT", settings.connect_timeout);
  read_seconds(variables, "HF_HUB_DOWNLOAD_TIMEOUT", settings.silence_timeout);
  return settings;
}

Settings read_settings() {
  return read_settings([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace vulcap::hub
