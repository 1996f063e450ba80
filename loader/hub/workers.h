#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "loader/hub/http.h"

namespace vulcap::hub {

// Calls `work` for each index below `count`, settings.workers at a time, each thread with a client of its
// own. The first failure sets `stop`, which ends the others, and is thrown.
void run_workers(const Settings& settings, size_t count, std::atomic<bool>& stop,
                 const std::function<void(HttpClient& client, size_t index)>& work);

}  // namespace vulcap::hub
