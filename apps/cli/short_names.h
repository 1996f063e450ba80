#pragma once

#include <vector>

namespace vulcap::apps {

// The command line with llama.cpp's short names of several letters (-hf, -hft, -dev, -oe), which CLI11 does not
// know, as their long names. What stands behind "--" stays.
std::vector<const char*> with_cli11_names(int argc, const char* const* argv);

}  // namespace vulcap::apps
