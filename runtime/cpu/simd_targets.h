// Instruction sets that kernels are compiled for: AVX2, AVX-512 and plain scalar code for any other
// processor, chosen when they run.
// Include before any Highway header.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)

#include "hwy/targets.h"
