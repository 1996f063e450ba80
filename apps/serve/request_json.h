// Bodies in JSON: parsed within limits, and what the APIs have in common read from them. All throw ApiError.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "apps/serve/limits.h"
#include "loader/tasks/load_options.h"

namespace vulcap::apps::serve {

// An object. Refuses deeper nesting and more values than `limits` say.
nlohmann::json parse_body(const std::string& body, const Limits& limits);

// The bytes in "data:image/png;base64,..." or, with `plain`, in base64 alone; `param` names the field.
std::string image_bytes(const std::string& text, bool plain, const std::string& param);

// A value as the text of a command-line flag: strings bare, all else as JSON.
std::string flag_text(const nlohmann::json& value);

// Appends a setting under one of its names in transformers, with '_' or '-'; false for another name. A null
// counts as not given.
bool add_generation_flag(const std::string& name, const nlohmann::json& value,
                         loader::GenerationFlags& flags);

// The value, which must be a string; null and missing are empty.
std::string string_field(const nlohmann::json& object, const std::string& name);
bool bool_field(const nlohmann::json& object, const std::string& name);

}  // namespace vulcap::apps::serve
