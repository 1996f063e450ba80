// The program's exit codes and what they mean, for whoever prints them.
#pragma once

#include <array>
#include <utility>

namespace vulcap::apps {

inline constexpr std::array<std::pair<int, const char*>, 9> kExitCodes{{
    {0, "done"},
    {1, "an input or a run failed; the other inputs were processed"},
    {2, "wrong usage"},
    {3, "the model is invalid or unsupported"},
    {4, "no usable device, or a fallback that is forbidden"},
    {5, "a batch ended with items that failed"},
    {6, "a comparison found a difference"},
    {130, "stopped by SIGINT"},
    {143, "stopped by SIGTERM or SIGUSR1 with all results written: run the same command again"},
}};

}  // namespace vulcap::apps
