// Which GPUs a process may use, by the variables of CUDA, ROCm and Slurm, on made-up machines.
#include "runtime/vulkan/visible_devices.h"

#include <gtest/gtest.h>

#include "runtime/vulkan/device_text.h"

namespace vulcap::vulkan {
namespace {

DeviceInfo gpu(uint32_t index, uint32_t vendor, const char* pci, uint8_t mark) {
  DeviceInfo info;
  info.index = index;
  info.name = vendor == kNvidia ? "NVIDIA" : "Radeon";
  info.vendor_id = vendor;
  info.pci = pci;
  info.caps.type = DeviceType::kDiscrete;
  info.uuid = {mark, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  return info;
}

DeviceInfo software(uint32_t index) {
  DeviceInfo info;
  info.index = index;
  info.name = "llvmpipe";
  info.caps.type = DeviceType::kCpu;
  return info;
}

// The loader lists them in another order than the bus has them.
const std::vector<DeviceInfo> kNode = {gpu(0, kNvidia, "0000:81:00.0", 0xa1),
                                       gpu(1, kNvidia, "0000:41:00.0", 0xb2), software(2),
                                       gpu(3, kNvidia, "0000:c1:00.0", 0xc3)};

std::string seen(const VisibleDevices& visible) {
  std::string text;
  for (const DeviceInfo& device : visible.devices) text += std::to_string(device.index);
  return text;
}

VisibleDevices under(const std::map<std::string, std::string>& variables,
                     const std::vector<DeviceInfo>& devices = kNode) {
  return visible_devices(devices, {"/", variables});
}

TEST(VisibleDevices, AllWithoutVariables) {
  EXPECT_EQ(seen(under({})), "0123");
  EXPECT_EQ(under({}).reason, "");
}

TEST(VisibleDevices, CudaNumbersCountInBusOrder) {
  EXPECT_EQ(seen(under({{"CUDA_VISIBLE_DEVICES", "0"}})), "12");
  EXPECT_EQ(seen(under({{"CUDA_VISIBLE_DEVICES", "2,0"}})), "312");
  EXPECT_EQ(under({{"CUDA_VISIBLE_DEVICES", "0"}}).reason, "given by CUDA_VISIBLE_DEVICES=0");
}

TEST(VisibleDevices, CudaUuidsAndTheirBeginnings) {
  EXPECT_EQ(seen(under({{"CUDA_VISIBLE_DEVICES", "GPU-b2bcdef0-0102-0304-0506-0708090a0b0c"}})), "12");
  EXPECT_EQ(seen(under({{"CUDA_VISIBLE_DEVICES", "GPU-C3bc,GPU-a1"}})), "302");
  EXPECT_EQ(seen(under({{"CUDA_VISIBLE_DEVICES", "MIG-GPU-a1bcdef0-0102-0304-0506-0708090a0b0c/1/0"}})),
            "02");
}

TEST(VisibleDevices, CudaListEndsAtWhatIsNotThere) {
  const VisibleDevices visible = under({{"CUDA_VISIBLE_DEVICES", "1,9,0"}});
  EXPECT_EQ(seen(visible), "02");
  ASSERT_EQ(visible.warnings.size(), 1u);
  EXPECT_NE(visible.warnings[0].find("names 9"), std::string::npos) << visible.warnings[0];
}

TEST(VisibleDevices, NoneOfCudaLeavesOthers) {
  for (const char* none : {"", "-1", "NoDevFiles"}) {
    const VisibleDevices visible = under({{"CUDA_VISIBLE_DEVICES", none}});
    EXPECT_EQ(seen(visible), "2") << none;
    EXPECT_TRUE(visible.warnings.empty()) << none;
  }
}

TEST(VisibleDevices, AMigInstanceWithoutVulkanIsExplained) {
  const VisibleDevices visible =
      under({{"CUDA_VISIBLE_DEVICES", "MIG-0f0f0f0f-0102-0304-0506-0708090a0b0c"}});
  EXPECT_EQ(seen(visible), "2");
  ASSERT_EQ(visible.warnings.size(), 1u);
  EXPECT_NE(visible.warnings[0].find("MIG"), std::string::npos);
}

TEST(VisibleDevices, EachVendorItsVariable) {
  const std::vector<DeviceInfo> mixed = {gpu(0, kNvidia, "0000:01:00.0", 1), gpu(1, kAmd, "0000:02:00.0", 2),
                                         gpu(2, kAmd, "0000:03:00.0", 3)};
  EXPECT_EQ(seen(under({{"CUDA_VISIBLE_DEVICES", ""}}, mixed)), "12");
  EXPECT_EQ(seen(under({{"ROCR_VISIBLE_DEVICES", "1"}}, mixed)), "20");
}

TEST(VisibleDevices, OwnVariableGoesByTheNumbersOfVulkan) {
  EXPECT_EQ(seen(under({{"VULCAP_VK_VISIBLE_DEVICES", "3,2"}, {"CUDA_VISIBLE_DEVICES", "0"}})), "32");
  EXPECT_EQ(seen(under({{"VULCAP_VK_VISIBLE_DEVICES", "a1bcdef0-0102-0304-0506-0708090a0b0c"}})), "0");
  EXPECT_EQ(under({{"VULCAP_VK_VISIBLE_DEVICES", "7"}}).warnings.size(), 1u);
}

TEST(VisibleDevices, SlurmsOwnListCountsWhereMoreIsSeenThanGiven) {
  EXPECT_EQ(seen(under({{"SLURM_JOB_GPUS", "2"}})), "32");
  EXPECT_EQ(seen(under({{"SLURM_STEP_GPUS", "1"}, {"SLURM_JOB_GPUS", "0,1"}})), "02");
  // The control group shows the job its GPU alone, whatever its number on the node.
  EXPECT_EQ(seen(under({{"SLURM_JOB_GPUS", "3"}}, {gpu(0, kNvidia, "0000:c1:00.0", 1)})), "0");
}

TEST(VisibleDevices, TasksOfANodeShareOutEqualGpus) {
  EXPECT_EQ(seen(under({{"SLURM_NTASKS", "3"}, {"SLURM_LOCALID", "1"}})), "12");
  EXPECT_EQ(seen(under({{"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "3"}})), "02");
  EXPECT_EQ(seen(under({{"SLURM_NTASKS", "1"}, {"SLURM_LOCALID", "0"}})), "0123");
}

TEST(DeviceText, ComesBackWhole) {
  Enumeration found{kNode, "", {"the driver of x crashes"}};
  found.devices[0].heaps = {{8ull << 30, true}, {64ull << 30, false}};
  found.devices[1].unusable = "it offers\nVulkan 1.1";
  found.devices[1].caps.subgroup_arithmetic = true;
  const std::string text = enumeration_text(found);
  const auto again = parse_enumeration(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(enumeration_text(*again), text);
  EXPECT_EQ(again->devices.size(), 4u);
  EXPECT_EQ(again->devices[0].heaps[1].bytes, 64ull << 30);
  EXPECT_EQ(again->devices[0].uuid, kNode[0].uuid);
  EXPECT_EQ(again->devices[1].unusable, "it offers Vulkan 1.1");
  EXPECT_EQ(again->problems, found.problems);
}

TEST(DeviceText, WhatIsCutOffOrSpoiledIsNoAnswer) {
  const std::string text = enumeration_text({kNode, "", {}});
  for (size_t length = 0; length + 5 < text.size(); length += 7)
    EXPECT_FALSE(parse_enumeration(text.substr(0, length)));
  for (const auto& [from, to] :
       {std::pair{"type 2", "type 9"}, {"index 0", "index x"}, {"timestamps 0", "timestamps 2"}}) {
    std::string spoiled = text;
    spoiled.replace(spoiled.find(from), std::string(from).size(), to);
    EXPECT_FALSE(parse_enumeration(spoiled)) << to;
  }
}

}  // namespace
}  // namespace vulcap::vulkan
