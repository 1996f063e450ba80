// Base64 of RFC 4648, with the standard alphabet.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vulcap::loader {

// Padded with '='.
std::string encode_base64(std::string_view bytes);
// Padding may be missing; line breaks are skipped. Nothing for any other character, or a text cut within a
// byte.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace vulcap::loader
