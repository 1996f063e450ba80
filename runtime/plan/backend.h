// What an executor offers to a session: buffers, weights, and plans made runnable. Implemented by cpu and
// vulkan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/core/tensor.h"
#include "runtime/ops/kernel_call.h"

namespace vulcap::plan {

// Whether a back end runs a kernel call natively; a refusal carries the reason shown to the user.
struct Support {
  bool ok = true;
  std::string reason;
};

// Memory that kernels read and write. Byte offsets; writes and reads are complete when they return.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual size_t size() const = 0;
  virtual void write(size_t offset, std::span<const std::byte> bytes) = 0;
  virtual void read(size_t offset, std::span<std::byte> bytes) = 0;
};

// A constant as a kernel wants it: columns or rows [begin, end) of a weight that one binding could not hold,
// else all of it.
struct WeightRequest {
  const core::Tensor* tensor = nullptr;
  ops::WeightLayout layout = ops::WeightLayout::kPlain;
  uint64_t n_begin = 0;  // kMatmulKN: columns, kMatmulNK and kPlain: rows; [0, all) when n_end == 0
  uint64_t n_end = 0;
  uint16_t kernel = 0;  // the kernel that reads it
};

struct Limits {
  uint64_t max_binding_bytes = UINT64_MAX;
  uint64_t memory_bytes = UINT64_MAX;  // of all buffers together
};

// The device's memory is full; the same work may fit elsewhere.
class OutOfMemory : public core::Error {
 public:
  explicit OutOfMemory(std::string message) : core::Error(core::ErrorCode::kRuntime, std::move(message)) {}
};

// The device is gone for good with all that it held; a new one must be opened.
class DeviceLost : public core::Error {
 public:
  explicit DeviceLost(std::string message) : core::Error(core::ErrorCode::kRuntime, std::move(message)) {}
};

struct Timing {
  int32_t call = 0;  // index into the plan's calls
  double seconds = 0;
};

// The calls of one plan with all buffers fixed. run() returns when the results are visible to Buffer::read.
class Executable {
 public:
  virtual ~Executable() = default;
  virtual void run() = 0;
  // The same with the time of each call; empty where a back end cannot tell them apart.
  virtual std::vector<Timing> run_timed() {
    run();
    return {};
  }
};

struct BuildRequest {
  std::span<const ops::KernelCall> calls;
  // calls that this back end must not run itself: empty, or one flag a call; they run through `host`
  std::span<const uint8_t> on_host;
  // Runs one call on host memory (the CPU back end); may be null when no flag is set.
  std::function<void(const ops::KernelArgs&)> host;
  uint64_t arena_bytes = 0;
  std::vector<std::shared_ptr<Buffer>> constants;  // by kConstant index; from upload()
  std::vector<std::shared_ptr<Buffer>> external;   // by kExternal index
  std::shared_ptr<Buffer> arena;  // at least arena_bytes; shared by plans that never run at once
  std::shared_ptr<Buffer> state;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  // "cpu", "vulkan:0 llvmpipe ..."
  virtual Limits limits() const = 0;
  virtual Support supports(const ops::KernelCall& call) const = 0;
  // Bytes that its buffers take now.
  virtual uint64_t memory_used() const { return 0; }
  // Whether a buffer is of this back end, so that its executables may bind it.
  virtual bool owns(const Buffer& buffer) const = 0;
  // Throws OutOfMemory when memory is exhausted.
  virtual std::shared_ptr<Buffer> allocate(size_t bytes, std::string_view label) = 0;
  // Uploads a constant once, re-laid if that serves the kernel. The result stays valid as long as it is held.
  virtual std::shared_ptr<Buffer> upload(const WeightRequest& request) = 0;
  virtual std::unique_ptr<Executable> build(BuildRequest request) = 0;
};

}  // namespace vulcap::plan
