// What a hub's interface is told in JSON, and its answers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "loader/hub/listing.h"

namespace vulcap::hub {

// A POST of JSON.
Request post_request(const std::string& url, std::string json);

// Sends patiently and reads the answer, an object. Throws core::Error(kRuntime), see fail_to_push().
nlohmann::json read_answer(HttpClient& client, const Settings& settings, const Source& target,
                           Request request);

// Throws core::Error(kRuntime) beginning with `url` for what is no JSON.
nlohmann::json parse_answer(const std::string& text, const std::string& url);

// The text under `key`; "" where there is none.
std::string text_of(const nlohmann::json& object, const char* key);

// A whole number; none for any other text.
std::optional<uint64_t> number_of(const std::string& text);

// Throws core::Error(kRuntime): the answer of `url` is not that of a hub.
[[noreturn]] void fail_as_no_hub(const std::string& url, const std::string& problem);

}  // namespace vulcap::hub
