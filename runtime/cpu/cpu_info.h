// What this processor is, for `vulcap devices`.
#pragma once

#include <string>
#include <vector>

namespace vulcap::cpu {

struct CpuInfo {
  std::string brand;                          // "" when the processor does not tell
  std::vector<std::string> instruction_sets;  // usable ones only: the operating system saves their registers
  std::string kernels;                        // the instruction set that the kernels of this build use here
  int processors = 1;                         // usable by this process: affinity mask and container quota
};

CpuInfo cpu_info();

}  // namespace vulcap::cpu
