// The calls of a plan as recorded command buffers.
#pragma once

#include <memory>

#include "runtime/plan/backend.h"
#include "runtime/vulkan/device.h"
#include "runtime/vulkan/memory.h"
#include "runtime/vulkan/pipelines.h"

namespace vulcap::vulkan {

// Records every call once. Calls that `request` puts on the host end a command buffer; run() submits them in
// order.
std::unique_ptr<plan::Executable> build_executable(std::shared_ptr<Device> device,
                                                   std::shared_ptr<Memory> memory, Pipelines& pipelines,
                                                   const DeviceCaps& caps, plan::BuildRequest request);

}  // namespace vulcap::vulkan
