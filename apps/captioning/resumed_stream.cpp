#include "apps/captioning/resumed_stream.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace vulcap::apps {

loader::OnText ResumedStream::begin() {
  repeated_ = 0;
  if (!target_) return {};
  return [this](const std::string& piece) { receive(piece); };
}

void ResumedStream::receive(const std::string& piece) {
  const size_t old = std::min(piece.size(), passed_on_.size() - repeated_);
  if (passed_on_.compare(repeated_, old, piece, 0, old) != 0) {
    throw core::Error(
        core::ErrorCode::kRuntime,
        "the device failed in the middle of a caption, and the next attempt began it with other "
        "words than were shown already: caption the image again");
  }
  repeated_ += old;
  const std::string fresh = piece.substr(old);
  if (fresh.empty()) return;
  passed_on_ += fresh;
  repeated_ += fresh.size();
  target_(fresh);
}

}  // namespace vulcap::apps
