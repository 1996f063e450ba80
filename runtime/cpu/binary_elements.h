// The rows of two operands for every dtype of whole bytes: what the vectors of kernels/binary.cpp leave.
#pragma once

#include "runtime/cpu/cpu_registry.h"

namespace vulcap::cpu {

void run_binary_elements(const CpuArgs& args);
bool accepts_binary_elements(const ops::KernelCall& call);

}  // namespace vulcap::cpu
