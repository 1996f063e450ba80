// The fast kernels of the CPU. Each runtime/cpu/kernels/<stem>.cpp defines `void
// cpu_kernel_<stem>(CpuRegistry&)`, which adds fast versions under the names of runtime/ops/kernels; a kernel
// without one runs its scalar reference.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/core/thread_pool.h"
#include "runtime/cpu/packed_matrix.h"
#include "runtime/ops/kernel_call.h"
#include "shaders/abi.h"

namespace vulcap::cpu {

struct CpuArgs {
  const ops::KernelArgs& args;
  core::ThreadPool& pool;
  std::byte* scratch;          // 64-byte aligned, as large as CpuKernel::scratch_bytes asked for
  const PackedMatrix* packed;  // matmul: B as packed panels, or null when args.buffers[1] is row-major

  const ops::KernelCall& call() const { return args.call; }
  template <typename T>
  T* ptr(size_t binding) const {
    return args.ptr<T>(binding);
  }
};

struct CpuKernel {
  void (*run)(const CpuArgs&) = nullptr;
  // Whether this version covers the call; the reference runs the others. Null: it covers every call.
  bool (*accepts)(const ops::KernelCall&) = nullptr;
  // Scratch for one call on `threads` threads. Null: none.
  size_t (*scratch_bytes)(const ops::KernelCall&, size_t threads) = nullptr;
};

// Packed elements of 4 or 2 bits are left to the references.
inline bool has_whole_bytes(const ops::KernelCall& call) {
  return core::dtype_bits(call.variant.storage) >= 8;
}

class CpuRegistry {
 public:
  void add(std::string_view kernel, CpuKernel fast) { entries_.push_back({kernel, fast}); }

  // The fast kernel for a call, or null.
  const CpuKernel* find(const ops::KernelCall& call) const;

 private:
  struct Entry {
    std::string_view kernel;
    CpuKernel fast;
  };
  std::vector<Entry> entries_;
};

// Generated: calls every cpu_kernel_<stem>.
void register_all_cpu_kernels(CpuRegistry& registry);
// All fast kernels, registered once.
const CpuRegistry& cpu_kernels();

}  // namespace vulcap::cpu
