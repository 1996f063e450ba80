#include "loader/tokenizer/json_fields.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>

#include "loader/tokenizer/unicode.h"
#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

constexpr int kMaxJsonDepth = 64;

// nlohmann::json destroys and copies recursively, so depth is limited while parsing.
Json parse_limited(const std::string& text, const std::string& name) {
  const Json::parser_callback_t limit = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxJsonDepth) fail_invalid(name, "JSON nests deeper than 64 levels");
    return true;
  };
  try {
    return Json::parse(text, limit);
  } catch (const Json::exception& e) {
    fail_invalid(name, std::string("not valid JSON (") + e.what() + "); download the file again");
  }
}

}  // namespace

void fail_invalid(const std::string& where, const std::string& what) {
  throw core::Error(core::ErrorCode::kInvalidModel, where + ": " + what);
}

Json read_json_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_invalid(path.filename().string(), "cannot be opened in " + path.parent_path().string());
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_limited(text, path.filename().string());
}

std::uint32_t as_uint32(const Json& value, const std::string& where) {
  if (!value.is_number_integer()) fail_invalid(where, "a whole number is expected");
  const bool fits = value.is_number_unsigned()
                        ? value.get<std::uint64_t>() <= std::numeric_limits<std::uint32_t>::max()
                        : value.get<std::int64_t>() >= 0;
  if (!fits) fail_invalid(where, "the number " + value.dump() + " is outside 0 to 4294967295");
  return value.get<std::uint32_t>();
}

Fields::Fields(const Json& object, std::string where, int depth)
    : json_(object), where_(std::move(where)), depth_(depth) {
  if (!object.is_object()) fail("a JSON object is expected");
  if (depth > kMaxStageDepth) fail("stages nest deeper than " + std::to_string(kMaxStageDepth) + " levels");
}

void Fields::allow_only(std::initializer_list<std::string_view> known) const {
  for (const auto& item : json_.items()) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
      fail("field '" + item.key() + "' is not supported; export the tokenizer with tokenizers 0.22 or older");
    }
  }
}

bool Fields::has(const char* name) const {
  const auto it = json_.find(name);
  return it != json_.end() && !it->is_null();
}

const Json& Fields::require(const char* name) const {
  const auto it = json_.find(name);
  if (it == json_.end()) fail(std::string("field '") + name + "' is missing");
  return *it;
}

std::string Fields::string(const char* name) const {
  const Json& value = require(name);
  if (!value.is_string()) fail(std::string("field '") + name + "' must be a string");
  return value.get<std::string>();
}

std::string Fields::string_or(const char* name, std::string fallback) const {
  return has(name) ? string(name) : std::move(fallback);
}

std::u32string Fields::text(const char* name) const { return to_code_points(string(name)); }

char32_t Fields::character(const char* name) const {
  const std::u32string value = text(name);
  if (value.size() != 1) fail(std::string("field '") + name + "' must be one character");
  return value[0];
}

bool Fields::boolean(const char* name) const {
  const Json& value = require(name);
  if (!value.is_boolean()) fail(std::string("field '") + name + "' must be true or false");
  return value.get<bool>();
}

bool Fields::boolean_or(const char* name, bool fallback) const {
  return has(name) ? boolean(name) : fallback;
}

std::uint32_t Fields::uint32(const char* name) const { return as_uint32(require(name), where_ + "." + name); }

std::uint32_t Fields::uint32_or(const char* name, std::uint32_t fallback) const {
  return has(name) ? uint32(name) : fallback;
}

const Json& Fields::array(const char* name) const {
  const Json& value = require(name);
  if (!value.is_array()) fail(std::string("field '") + name + "' must be a list");
  return value;
}

Fields Fields::object(const char* name) const {
  return Fields(require(name), where_ + "." + name, depth_ + 1);
}

void Fields::fail(const std::string& what) const { fail_invalid(where_, what); }

void Fields::fail_type(const char* stage, const std::string& type) const {
  fail(std::string(stage) + " type '" + type +
       "' is not supported; use a model whose tokenizer has another " + stage);
}

}  // namespace vulcap::tokenizer
