#include "apps/batch/row_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr size_t kChunk = 1 << 16;
constexpr int kStopInterval = 100;  // ms between looks at the stop token while nothing comes
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

RowReader::RowReader(const std::string& path, RecordEnd end)
    : path_(path == "-" ? "stdin" : path),
      end_(std::move(end)),
      file_(path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ >= 0) return;
  throw core::Error(core::ErrorCode::kUsage,
                    path_ + ": cannot open the list: " + std::generic_category().message(errno));
}

RowReader::~RowReader() { ::close(file_); }

std::optional<std::string> RowReader::next(const std::stop_token& stop) {
  while (true) {
    const std::string_view rest = std::string_view(held_).substr(begin_);
    size_t length = end_(rest);
    if (length == 0 && ended_) length = rest.size();
    if (length > 0) {
      std::string_view row = rest.substr(0, length);
      begin_ += length;
      if (row.ends_with('\n')) row.remove_suffix(1);
      if (row.ends_with('\r')) row.remove_suffix(1);
      if (++number_ == 1 && row.starts_with(kByteOrderMark)) row.remove_prefix(kByteOrderMark.size());
      return std::string(row);
    }
    if (ended_ || !fill(stop)) return std::nullopt;
  }
}

bool RowReader::fill(const std::stop_token& stop) {
  held_.erase(0, std::exchange(begin_, 0));
  pollfd file{file_, POLLIN, 0};
  while (::poll(&file, 1, kStopInterval) <= 0) {
    if (stop.stop_requested()) return false;
  }
  const size_t before = held_.size();
  held_.resize(before + kChunk);
  const ssize_t got = ::read(file_, held_.data() + before, kChunk);
  const int number = errno;
  held_.resize(before + size_t(std::max<ssize_t>(got, 0)));
  if (got < 0 && number != EINTR) {
    throw core::Error(core::ErrorCode::kRuntime,
                      path_ + ": reading the list failed: " + std::generic_category().message(number));
  }
  ended_ = got == 0;
  return true;
}

}  // namespace vulcap::apps
