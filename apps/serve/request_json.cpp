#include "apps/serve/request_json.h"

#include <algorithm>

#include "apps/serve/api_error.h"
#include "loader/base64.h"
#include "loader/generation_config.h"

namespace vulcap::apps::serve {
namespace {

using nlohmann::json;

constexpr size_t kShownOfUrl = 40;

}  // namespace

json parse_body(const std::string& body, const Limits& limits) {
  size_t values = 0;
  const auto within_limits = [&](int depth, json::parse_event_t, json&) {
    if (depth > limits.json_depth)
      throw ApiError{400, "the JSON nests deeper than " + std::to_string(limits.json_depth) + " levels"};
    if (++values > limits.json_values)
      throw ApiError{400, "the JSON has more than " + std::to_string(limits.json_values) + " values"};
    return true;
  };
  json parsed;
  try {
    parsed = json::parse(body, within_limits);
  } catch (const json::parse_error& error) {
    throw ApiError{
        400, "the body is no valid JSON: it breaks off or goes wrong at byte " + std::to_string(error.byte)};
  } catch (const json::exception&) {
    throw ApiError{400, "the body is no valid JSON: a number is out of range"};
  }
  if (!parsed.is_object())
    throw ApiError{400, "the body must be a JSON object, not " + std::string(parsed.type_name())};
  return parsed;
}

std::string image_bytes(const std::string& text, bool plain, const std::string& param) {
  std::string_view coded = text;
  if (coded.starts_with("data:")) {
    const size_t comma = coded.find(',');
    const std::string_view head = coded.substr(0, comma);
    if (comma == std::string_view::npos || !head.ends_with(";base64"))
      throw ApiError{400, "a data URI must read data:image/png;base64,...", param};
    coded = coded.substr(comma + 1);
  } else if (!plain) {
    std::string shown = text.substr(0, kShownOfUrl) + (text.size() > kShownOfUrl ? "..." : "");
    throw ApiError{400,
                   "'" + shown +
                       "': this server fetches no addresses; send the image itself, as "
                       "data:image/png;base64,...",
                   param, "url_not_fetched"};
  }
  auto bytes = loader::decode_base64(coded);
  if (!bytes) throw ApiError{400, "is not base64", param};
  return std::move(*bytes);
}

std::string flag_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

bool add_generation_flag(const std::string& name, const json& value, loader::GenerationFlags& flags) {
  std::string flag = name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  if (!loader::is_generation_flag(flag)) return false;
  if (!value.is_null()) flags.emplace_back(flag, flag_text(value));
  return true;
}

std::string string_field(const json& object, const std::string& name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_string()) throw ApiError{400, "must be a string", name};
  return found->get<std::string>();
}

bool bool_field(const json& object, const std::string& name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return false;
  if (!found->is_boolean()) throw ApiError{400, "must be true or false", name};
  return found->get<bool>();
}

}  // namespace vulcap::apps::serve
