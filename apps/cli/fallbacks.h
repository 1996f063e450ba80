// What the CPU takes over from a device, as the user of --fallback wants to hear of it.
#pragma once

#include <string>

namespace vulcap::apps {

// Whether tell_fallback() speaks on stderr (--fallback warn) or under --verbose only (allow).
void show_fallbacks(bool shown);
void tell_fallback(const std::string& line);

}  // namespace vulcap::apps
