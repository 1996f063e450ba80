// UTF-8 <-> code points and the character classes that Hugging Face `tokenizers` asks of the Rust `char`
// type, the `regex` crate and the `unicode_categories` crate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::tokenizer {

// Code points of valid UTF-8. Throws core::Error(kRuntime) naming the byte where the text is not UTF-8.
std::u32string to_code_points(std::string_view utf8);

std::string to_utf8(std::u32string_view code_points);
void append_utf8(std::string& out, char32_t code_point);
std::size_t utf8_length(char32_t code_point);

// Replaces every maximal invalid subsequence by U+FFFD, as Rust's String::from_utf8_lossy.
std::string to_valid_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);

// Number of bytes at the end of `bytes` that begin a UTF-8 character without finishing it (0 to 3).
std::size_t incomplete_utf8_tail(std::string_view bytes);

// Without what Python's str.strip() takes from both ends.
std::string stripped(std::string_view utf8);

bool is_whitespace(char32_t c);       // Unicode White_Space
bool is_numeric(char32_t c);          // general category N*
bool is_punctuation(char32_t c);      // ASCII punctuation or general category P*
bool is_other(char32_t c);            // general category Cc, Cf or Co
bool is_mark(char32_t c);             // general category M*
bool is_nonspacing_mark(char32_t c);  // general category Mn
bool is_word(char32_t c);             // \w of the regex crate (UTS 18)

// Full lower case of one character (1 or 2 code points), without context rules.
std::u32string to_lower(char32_t c);

}  // namespace vulcap::tokenizer
