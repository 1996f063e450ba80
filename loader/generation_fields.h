// The fields of transformers 4.57 GenerationConfig, by what happens to them here, and how values of files and
// flags are read.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/generate/config.h"

namespace vulcap::loader {

// A JSON value with the place it came from; readers throw core::Error naming both.
class FieldValue {
 public:
  FieldValue(const nlohmann::json& value, std::string name, std::string origin, bool is_flag)
      : value_(value), name_(std::move(name)), origin_(std::move(origin)), is_flag_(is_flag) {}

  const nlohmann::json& json() const { return value_; }
  bool is_flag() const { return is_flag_; }
  // A part of this value, with the same name and place.
  FieldValue part(const nlohmann::json& value) const { return {value, name_, origin_, is_flag_}; }
  [[noreturn]] void refuse(const std::string& what) const;

  bool boolean() const;
  int64_t integer() const;
  double number() const;
  std::vector<int64_t> integers() const;  // a list, or one alone
  std::vector<std::vector<int64_t>> integer_lists() const;
  std::vector<std::string> strings() const;  // a list, or one alone

 private:
  const nlohmann::json::array_t& list() const;

  const nlohmann::json& value_;
  std::string name_;
  std::string origin_;
  bool is_flag_;
};

// A flag's text as JSON: true for an empty one, a list for "1,2", else text.
nlohmann::json parse_flag(const std::string& text);

// A field that is honoured. null leaves the default.
struct HonouredField {
  std::string_view name;
  void (*set)(const FieldValue& value, generate::GenerationConfig& config);
};

// A field that must be absent, null or `neutral` (JSON text), else the load is refused because of `reason`.
struct RefusedField {
  std::string_view name;
  std::string_view neutral;
  std::string_view reason;
};

// A field that older models keep in config.json, with its default (JSON text).
struct LegacyField {
  std::string_view name;
  std::string_view default_value;
};

std::span<const HonouredField> honoured_fields();
std::span<const RefusedField> refused_fields();
std::span<const LegacyField> legacy_fields();
// They change the speed or what transformers returns besides the tokens, or are notes about the file.
std::span<const std::string_view> neutral_fields();
// Shortcuts to the same tokens (assisted decoding and the like), which change nothing that vulcap computes.
std::span<const std::string_view> speed_fields();

}  // namespace vulcap::loader
