// Reading CSV: RFC 4180, with "\n" or "\r\n" at the ends of lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vulcap::apps {

// Length of the first row of `text` with its end of line, which quotes may hide; 0: it is not whole yet.
size_t csv_end(std::string_view text);

// Fields of one row, without quotes; an end of line behind it does not count.
std::vector<std::string> csv_fields(std::string_view row, char separator);

}  // namespace vulcap::apps
