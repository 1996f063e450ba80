#include "runtime/session/row_images.h"

#include <string>
#include <utility>

#include "runtime/core/error.h"

namespace vulcap::session {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw core::Error(core::ErrorCode::kRuntime, message);
}

}  // namespace

void RowImages::start(int images) {
  images_ = images;
  of_rows_.clear();
}

void RowImages::follow(int rows, std::span<const int32_t> reorder) {
  if (of_rows_.empty()) {
    if (rows % images_ != 0) {
      refuse(std::to_string(rows) + " rows cannot be shared out evenly among " + std::to_string(images_) +
             " images");
    }
    for (int row = 0; row < rows; ++row) of_rows_.push_back(row / (rows / images_));
    return;
  }
  if (reorder.empty()) {
    if (size_t(rows) == of_rows_.size()) return;
    refuse("the number of rows changes from " + std::to_string(of_rows_.size()) + " to " +
           std::to_string(rows) + " without being told which go on");
  }
  const std::vector<int32_t> before = std::exchange(of_rows_, {});
  for (const int32_t from : reorder) {
    if (from < 0 || size_t(from) >= before.size()) {
      refuse("row " + std::to_string(from) + " to continue is not among the " +
             std::to_string(before.size()) + " rows of the last step");
    }
    of_rows_.push_back(before[size_t(from)]);
  }
}

}  // namespace vulcap::session
