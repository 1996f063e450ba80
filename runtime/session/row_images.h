// Which image each row of a decoder's call reads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vulcap::session {

class RowImages {
 public:
  void start(int images);
  // The rows of the first call are shared out evenly, those of the first image first. Later ones continue
  // rows of the call before: `reorder` names them, empty: each its own. Throws Error(kRuntime) for numbers of
  // rows that fit neither.
  void follow(int rows, std::span<const int32_t> reorder);
  int images() const { return images_; }
  const std::vector<int32_t>& of_rows() const { return of_rows_; }

 private:
  int images_ = 1;
  std::vector<int32_t> of_rows_;  // empty before the first call
};

}  // namespace vulcap::session
