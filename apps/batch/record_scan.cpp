#include "apps/batch/record_scan.h"

#include <string>

namespace vulcap::apps {
namespace {

constexpr size_t kChunk = 1 << 20;

}  // namespace

size_t line_end(std::string_view text) { return text.find('\n') + 1; }

uint64_t scan_records(const AppendFile& file, const RecordEnd& end,
                      const std::function<bool(uint64_t, std::string_view)>& visit) {
  std::string held;
  uint64_t offset = 0;  // of held
  while (true) {
    const size_t before = held.size();
    held.resize(before + kChunk);
    held.resize(before + file.read(offset + before, std::span(held).subspan(before)));
    if (held.size() == before) return offset;
    std::string_view rest = held;
    while (const size_t length = end(rest)) {
      if (!visit(offset, rest.substr(0, length - 1))) return offset;
      rest.remove_prefix(length);
      offset += length;
    }
    held.erase(0, held.size() - rest.size());
  }
}

}  // namespace vulcap::apps
