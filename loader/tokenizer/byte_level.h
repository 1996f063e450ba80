// GPT-2's printable stand-ins for bytes: every byte has one character, so that any text has a vocabulary.
#pragma once

#include <optional>
#include <string_view>

#include "loader/tokenizer/normalized_string.h"

namespace vulcap::tokenizer {

char32_t char_of_byte(unsigned char byte);
std::optional<unsigned char> byte_of_char(char32_t c);

// Replaces every character by the stand-ins of its UTF-8 bytes; all of them keep the origin of the character.
void to_byte_level(NormalizedString& text);

}  // namespace vulcap::tokenizer
