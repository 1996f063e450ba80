#include "apps/cli/line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "apps/cli/stop_signals.h"
#include "runtime/core/error.h"

namespace vulcap::apps {

std::optional<std::string> LineReader::next() {
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos || (ended_ && !buffer_.empty())) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end == std::string::npos ? end : end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    if (ended_) return std::nullopt;
    if (!StopSignals::wait_readable(STDIN_FILENO)) stop_if_asked();
    std::array<char, 4096> chunk;
    const ssize_t got = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got > 0) buffer_.append(chunk.data(), size_t(got));
    if (got == 0) ended_ = true;
    if (got < 0 && errno != EINTR) {
      throw core::Error(core::ErrorCode::kRuntime,
                        std::string("stdin: cannot be read: ") + std::strerror(errno));
    }
  }
}

}  // namespace vulcap::apps
