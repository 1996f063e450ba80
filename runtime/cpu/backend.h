// The CPU executor: runs every kernel call, with a fast kernel where there is one, else with its scalar
// reference.
#pragma once

#include <memory>

#include "runtime/plan/backend.h"

namespace vulcap::cpu {

struct Options {
  int threads = 0;  // 0: every processor this process may use
};

class CpuBackend : public plan::Backend {
 public:
  // Runs one call on host memory with plain row-major operands: what another back end falls back to.
  virtual void run_call(const ops::KernelArgs& args) = 0;
  virtual int threads() const = 0;
};

// Matmul weights are packed by upload(); other constants are used where they lie and must not be written.
// Executables of one back end share scratch memory and its threads: their runs exclude each other.
std::shared_ptr<CpuBackend> create_backend(const Options& options);

}  // namespace vulcap::cpu
