// The records of a file, one after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "apps/batch/append_file.h"

namespace vulcap::apps {

// Length of the first record of `text` with its end of line; 0: it is not whole yet.
using RecordEnd = std::function<size_t(std::string_view text)>;

// Ends at the first line feed.
size_t line_end(std::string_view text);

// Calls visit(offset, record without its end of line) for every whole record until it returns false. Returns
// the offset of what was not visited to the end: of a record that is torn or refused, else the size.
uint64_t scan_records(const AppendFile& file, const RecordEnd& end,
                      const std::function<bool(uint64_t, std::string_view)>& visit);

}  // namespace vulcap::apps
