#include "loader/read_json.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "loader/open_regular.h"
#include "runtime/core/error.h"

namespace vulcap::loader {
namespace {

using nlohmann::json;

constexpr int kMaxJsonDepth = 64;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& message) {
  throw core::Error(core::ErrorCode::kInvalidModel, path.string() + ": " + message);
}

std::string place_of(std::string_view text, size_t byte) {
  const std::string_view before =
      text.substr(0, std::min(byte, text.size()) - (byte > 0 && !text.empty() ? 1 : 0));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

// The parser's own words without its prefix, printable.
std::string reason_of(const json::exception& error) {
  std::string_view text(error.what());
  for (std::string_view mark : {"] ", "syntax error while parsing "}) {
    const size_t at = text.find(mark);
    if (at != std::string_view::npos) text = text.substr(at + mark.size());
  }
  std::string reason(text.substr(0, 200));
  std::replace_if(
      reason.begin(), reason.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return reason;
}

}  // namespace

json parse_json(std::string_view text, const std::filesystem::path& path) {
  const auto limit_depth = [&](int depth, json::parse_event_t, json&) {
    if (depth > kMaxJsonDepth) fail(path, "nests deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    return true;
  };
  try {
    return json::parse(text, limit_depth);
  } catch (const json::parse_error& error) {
    fail(path, "not valid JSON at " + place_of(text, error.byte) + ": " + reason_of(error));
  } catch (const json::exception& error) {
    fail(path, "not valid JSON: " + reason_of(error));
  }
}

json read_json(const std::filesystem::path& path) {
  const auto file = open_regular(path);
  const auto bytes = file->bytes();
  if (bytes.empty()) fail(path, "is empty");
  if (bytes.size() > kMaxJsonBytes) fail(path, "is too large for a JSON file (more than 256 MiB)");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs"))
    fail(path, "is a Git LFS pointer, not JSON; run git lfs pull");
  return parse_json(text, path);
}

json read_json_object(const std::filesystem::path& path) {
  json value = read_json(path);
  if (!value.is_object()) fail(path, "must hold a JSON object, not " + std::string(value.type_name()));
  return value;
}

}  // namespace vulcap::loader
