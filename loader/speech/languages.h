// Languages by the codes of Whisper's tokens <|code|> (ISO 639).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vulcap::speech {

// "german" -> "de", "flemish" -> "nl"; none for a name that is not known. Lower case only.
std::optional<std::string_view> language_code(std::string_view name);

}  // namespace vulcap::speech
