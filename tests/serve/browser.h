// Chromium without a window, driven over the pipe of its DevTools protocol.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/apps/model_folder.h"

namespace vulcap::testing {

class Browser {
 public:
  // Throws std::runtime_error when it does not start.
  Browser(int width, int height);
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  void open(const std::string& url);
  // The value of a JavaScript expression, promises awaited. Throws std::runtime_error for what it throws.
  nlohmann::json evaluate(const std::string& expression);
  // Evaluates until it is true; false when that takes longer than `seconds`.
  bool becomes_true(const std::string& expression, double seconds);
  // A PNG of the page as it is shown.
  std::string screenshot();
  // "dark" or "light".
  void prefer(const std::string& scheme);

 private:
  nlohmann::json call(const std::string& method, const nlohmann::json& parameters);
  nlohmann::json receive();

  TempFolder profile_;
  pid_t id_ = -1;
  int to_ = -1;
  int from_ = -1;
  int last_call_ = 0;
  std::string session_;
  std::string buffer_;
};

}  // namespace vulcap::testing
