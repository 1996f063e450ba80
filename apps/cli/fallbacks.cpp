#include "apps/cli/fallbacks.h"

#include <atomic>

#include "apps/cli/log.h"

namespace vulcap::apps {
namespace {

std::atomic<bool> shown_on_stderr{true};

}  // namespace

void show_fallbacks(bool shown) { shown_on_stderr = shown; }

void tell_fallback(const std::string& line) {
  if (shown_on_stderr)
    log_info(line);
  else
    log_detail(line);
}

}  // namespace vulcap::apps
