// Sizes of symbolic dims from the command line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/core/dim.h"

namespace vulcap::apps {

// From NAME=SIZE, over num_channels=3, height=224 and width=224. Throws Error(kUsage).
std::map<core::Symbol, int64_t> symbol_sizes(const std::vector<std::string>& dims);

}  // namespace vulcap::apps
