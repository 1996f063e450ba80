// Rows of a file or stdin as they come.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "apps/batch/record_scan.h"

namespace vulcap::apps {

class RowReader {
 public:
  // `path` "-": stdin. Throws core::Error(kUsage) for what cannot be opened.
  RowReader(const std::string& path, RecordEnd end);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  // The next row without its end of line, which the last one may lack. Nothing at the end, or once `stop` is
  // requested. Throws core::Error(kRuntime) when reading fails.
  std::optional<std::string> next(const std::stop_token& stop);
  // Of the row that next() gave last; from 1.
  uint64_t number() const { return number_; }

 private:
  bool fill(const std::stop_token& stop);

  std::string path_;
  RecordEnd end_;
  int file_;
  std::string held_;
  size_t begin_ = 0;  // of what is left of held_
  bool ended_ = false;
  uint64_t number_ = 0;
};

}  // namespace vulcap::apps
