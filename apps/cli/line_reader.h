// Lines of stdin as they come.
#pragma once

#include <optional>
#include <string>

namespace vulcap::apps {

class LineReader {
 public:
  // The next line without its end; absent: stdin is at its end. Throws core::Error(kRuntime), and Stopped
  // when a signal came.
  std::optional<std::string> next();

 private:
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace vulcap::apps
