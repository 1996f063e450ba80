// What was found of devices as lines of text: from the child that asks the drivers, and in the cache file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/vulkan/devices.h"

namespace vulcap::vulkan {

std::string enumeration_text(const Enumeration& found);
// Nothing for text that is cut off, damaged or of another form.
std::optional<Enumeration> parse_enumeration(std::string_view text);

}  // namespace vulcap::vulkan
