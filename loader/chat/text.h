// Python's string functions on UTF-8. Positions and lengths count code points; a byte that is not UTF-8
// counts as one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vulcap::chat {

// Bytes of the character that begins at `at`; at least 1.
size_t char_bytes(std::string_view text, size_t at);
char32_t code_point(std::string_view character);
// One view a character.
std::vector<std::string_view> characters(std::string_view text);
size_t char_count(std::string_view text);

bool is_space(std::string_view character);  // str.isspace()

enum class Side { kBoth, kLeft, kRight };
// Without `chars`, white space.
std::string strip(std::string_view text, Side side, const std::string* chars = nullptr);

// Case mappings of a character for a character, except that an upper sharp s is SS.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);
bool is_upper(std::string_view text);
bool is_lower(std::string_view text);

// At most `count` replacements; negative: all.
std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count);
// An empty `separator` stands for runs of white space. At most `limit` cuts; negative: all. `from_right`
// matters only with a limit.
std::vector<std::string> split(std::string_view text, std::string_view separator, int64_t limit,
                               bool from_right);
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);

}  // namespace vulcap::chat
