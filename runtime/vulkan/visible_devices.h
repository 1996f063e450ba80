// Which of the devices a process may use: those that the user, the queue or CUDA's variables gave it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/vulkan/devices.h"
#include "runtime/vulkan/drivers.h"

namespace vulcap::vulkan {

struct VisibleDevices {
  std::vector<DeviceInfo> devices;    // in the order of the list that gave them, others behind
  std::string reason;                 // "given by CUDA_VISIBLE_DEVICES=1"; empty: all are visible
  std::vector<std::string> warnings;  // entries that name no device here
};

// VULCAP_VK_VISIBLE_DEVICES (numbers of vulkan:N or uuids) alone decides where it is set. Else
// CUDA_VISIBLE_DEVICES (numbers in the order of PCI addresses, GPU-uuid or the beginning of one, MIG-uuid;
// the list ends at the first entry that fits nothing, as CUDA has it) bounds NVIDIA's GPUs and
// ROCR_VISIBLE_DEVICES AMD's, and where neither is set SLURM_STEP_GPUS or SLURM_JOB_GPUS all GPUs, if more
// are there than were given. Of equal GPUs that remain the task SLURM_LOCALID of a node takes its own.
VisibleDevices visible_devices(std::span<const DeviceInfo> all, const Surroundings& surroundings);

}  // namespace vulcap::vulkan
