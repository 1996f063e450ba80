// JSON files of a model folder, read with errors that say where.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace vulcap::loader {

inline constexpr size_t kMaxJsonBytes = size_t(256) << 20;

// Parses a JSON file. Throws core::Error(kInvalidModel) beginning with the path: missing, larger than
// kMaxJsonBytes, not JSON (with line and column), nested deeper than 64 levels.
nlohmann::json read_json(const std::filesystem::path& path);

// Parses JSON that came from elsewhere; errors begin with `source`.
nlohmann::json parse_json(std::string_view text, const std::filesystem::path& source);

// read_json, and the root must be an object.
nlohmann::json read_json_object(const std::filesystem::path& path);

}  // namespace vulcap::loader
