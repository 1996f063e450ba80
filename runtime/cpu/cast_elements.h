// Casts between all dtypes of whole bytes but floats of 8 bits.
#pragma once

#include "runtime/cpu/cpu_registry.h"

namespace vulcap::cpu {

void run_cast_elements(const CpuArgs& args);
bool accepts_cast_elements(const ops::KernelCall& call);

}  // namespace vulcap::cpu
