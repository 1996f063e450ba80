// The choice of a device, on made-up lists.
#include "runtime/vulkan/devices.h"

#include <gtest/gtest.h>

namespace vulcap::vulkan {
namespace {

DeviceInfo device(uint32_t index, const char* name, DeviceType type, uint64_t gigabytes = 1) {
  DeviceInfo info;
  info.index = index;
  info.name = name;
  info.caps.type = type;
  info.heaps = {{gigabytes << 30, true}, {64ull << 30, false}};
  info.uuid = {0xab, 0xcd, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, uint8_t(index)};
  return info;
}

const std::vector<DeviceInfo> kMixed = {
    device(0, "llvmpipe", DeviceType::kCpu, 100), device(1, "Small GPU", DeviceType::kDiscrete, 4),
    device(2, "Integrated", DeviceType::kIntegrated, 32), device(3, "Large GPU", DeviceType::kDiscrete, 24),
    device(4, "Virtual", DeviceType::kVirtual, 8)};

TEST(ChooseDevice, AutoPrefersDiscreteThenMemory) {
  const Choice choice = choose_device(kMixed, "auto");
  EXPECT_EQ(choice.index, 3);
  EXPECT_EQ(choice.reason, "the first choice of 5 devices (discrete GPU)");
  EXPECT_EQ(choose_device(kMixed, "vulkan").index, 3);
}

TEST(ChooseDevice, AutoOrderOfTypes) {
  const std::vector<DeviceInfo> lesser = {kMixed[0], kMixed[4], kMixed[2]};
  EXPECT_EQ(choose_device(lesser, "auto").index, 2);
  EXPECT_EQ(choose_device(std::span(lesser).first(2), "auto").index, 1);
  EXPECT_EQ(choose_device(std::span(lesser).first(1), "auto").reason,
            "the only Vulkan device (CPU); it is a software renderer, not a GPU");
}

TEST(ChooseDevice, EqualDevicesKeepTheLoadersOrder) {
  const std::vector<DeviceInfo> twins = {device(0, "a", DeviceType::kDiscrete),
                                         device(1, "b", DeviceType::kDiscrete)};
  EXPECT_EQ(choose_device(twins, "auto").index, 0);
}

TEST(ChooseDevice, ByNumber) {
  EXPECT_EQ(choose_device(kMixed, "vulkan:2").index, 2);
  const Choice none = choose_device(kMixed, "vulkan:9");
  EXPECT_EQ(none.index, -1);
  EXPECT_NE(none.reason.find("there is no vulkan:9; there are: vulkan:0 llvmpipe, vulkan:1"),
            std::string::npos)
      << none.reason;
  for (const char* bad : {"vulkan:", "vulkan:x", "vulkan:-1", "vulkan:1x", "vulkan:99999999999"}) {
    EXPECT_EQ(choose_device(kMixed, bad).index, -1) << bad;
  }
}

TEST(ChooseDevice, ByNameAndUuid) {
  EXPECT_EQ(choose_device(kMixed, "name:LARGE").index, 3);
  EXPECT_EQ(choose_device(kMixed, "name:gpu").index, 1);
  EXPECT_EQ(choose_device(kMixed, "name:nothing").index, -1);
  EXPECT_EQ(choose_device(kMixed, "uuid:" + uuid_text(kMixed[2].uuid)).index, 2);
  EXPECT_EQ(choose_device(kMixed, "uuid:ABCD1234000000000000000000000004").index, 4);
  EXPECT_EQ(choose_device(kMixed, "uuid:00").index, -1);
}

TEST(ChooseDevice, NothingFits) {
  EXPECT_EQ(choose_device({}, "auto").reason, "there is no Vulkan device");
  for (const char* bad : {"", "gpu", "name:", "uuid:", "cpu"})
    EXPECT_EQ(choose_device(kMixed, bad).index, -1) << bad;
}

TEST(Devices, Texts) {
  EXPECT_EQ(version_text((1u << 22) | (3u << 12) | 230u), "1.3.230");
  EXPECT_EQ(uuid_text(kMixed[3].uuid), "abcd1234-0000-0000-0000-000000000003");
}

}  // namespace
}  // namespace vulcap::vulkan
