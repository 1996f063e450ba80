// Typed access to one JSON object of a tokenizer file. Every complaint is a core::Error(kInvalidModel) that
// names the place, e.g. "tokenizer.json: model.vocab: ...".
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace vulcap::tokenizer {

using Json = nlohmann::json;

// Stages nest (Sequence in Sequence); deeper than this is refused so that no file can exhaust the stack.
inline constexpr int kMaxStageDepth = 16;

// Parses a file; throws when it cannot be read, is no JSON, or nests deeper than 64 levels.
Json read_json_file(const std::filesystem::path& path);

class Fields {
 public:
  // `where` is the path shown in errors. Throws unless `object` is a JSON object. Keeps a reference to
  // `object`.
  Fields(const Json& object, std::string where, int depth = 0);

  // Throws when a field outside `known` is present: an unknown field might change the result.
  void allow_only(std::initializer_list<std::string_view> known) const;

  bool has(const char* name) const;  // present and not null
  const Json& require(const char* name) const;
  std::string string(const char* name) const;
  std::string string_or(const char* name, std::string fallback) const;
  std::u32string text(const char* name) const;  // string as code points
  char32_t character(const char* name) const;   // string of exactly one code point
  bool boolean(const char* name) const;
  bool boolean_or(const char* name, bool fallback) const;
  std::uint32_t uint32(const char* name) const;
  std::uint32_t uint32_or(const char* name, std::uint32_t fallback) const;
  const Json& array(const char* name) const;
  Fields object(const char* name) const;

  const std::string& where() const { return where_; }
  int depth() const { return depth_; }
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_type(const char* stage, const std::string& type) const;

 private:
  const Json& json_;
  std::string where_;
  int depth_;
};

[[noreturn]] void fail_invalid(const std::string& where, const std::string& what);

// A number in 0..2^32-1, or an error.
std::uint32_t as_uint32(const Json& value, const std::string& where);

}  // namespace vulcap::tokenizer
