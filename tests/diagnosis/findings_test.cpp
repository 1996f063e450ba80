// What `vulcap doctor` says of machines that are not at hand.
#include "apps/diagnosis/findings.h"

#include <gtest/gtest.h>

#include "tests/diagnosis/made_up_machine.h"

namespace vulcap::testing {
namespace {

using vulkan::DeviceType;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Doctor, AMachineWithAWorkingGpuHasNothingToMend) {
  MadeUpMachine machine;
  machine.driver("radeon_icd.x86_64.json", "libvulkan_radeon.so").library("libvulkan_radeon.so");
  machine.gpu("0000:03:00.0", "0x1002")
      .file("/dev/dri/renderD128")
      .offers(vulkan::kAmd, DeviceType::kDiscrete);
  EXPECT_TRUE(machine.findings().empty());
}

TEST(Doctor, WithoutALoader) {
  MadeUpMachine machine;
  EXPECT_EQ(machine.problems(), "");
  MadeUpMachine bare;
  std::error_code error;
  apps::Case c = bare.look();
  c.machine.loader.reset();
  const auto findings = apps::diagnose(c);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "no-loader");
  EXPECT_TRUE(has(findings[0].remedy, "libvulkan1"));
}

TEST(Doctor, OnlyASoftwareRendererIsARemark) {
  MadeUpMachine machine;
  machine.driver("lvp_icd.x86_64.json", "/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so")
      .library("libvulkan_lvp.so");
  machine.offers(0x10005, DeviceType::kCpu);
  EXPECT_EQ(machine.problems(), "");
  ASSERT_EQ(machine.findings().size(), 1u);
  EXPECT_EQ(machine.findings()[0].code, "only-software");
}

TEST(Doctor, VariableThatNamesNoFile) {
  MadeUpMachine machine;
  machine.driver("lvp_icd.x86_64.json", "libvulkan_lvp.so").library("libvulkan_lvp.so");
  machine.variable("VK_ICD_FILENAMES", "/nonexistent.json");
  EXPECT_EQ(machine.problems(), "driver-variable driver-manifest");
  EXPECT_TRUE(has(machine.findings()[0].what, "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"))
      << machine.findings()[0].what;
  EXPECT_TRUE(has(machine.remedy("driver-variable"), "unset VK_ICD_FILENAMES"));
}

TEST(Doctor, BrokenManifests) {
  MadeUpMachine machine;
  machine.file("/etc/vulkan/icd.d/broken.json", "{").file("/etc/vulkan/icd.d/other.json", R"({"layer": {}})");
  machine.driver("gone_icd.json", "libvulkan_gone.so");
  EXPECT_EQ(machine.problems(), "driver-manifest driver-manifest driver-manifest");
  EXPECT_TRUE(has(machine.findings()[2].what, "libvulkan_gone.so is not installed"))
      << machine.findings()[2].what;
}

TEST(Doctor, ADriverThatCrashes) {
  MadeUpMachine machine;
  machine.answers_.push_back({"/etc/vulkan/icd.d/bad.json", {}, "crashes (SIGSEGV)"});
  EXPECT_EQ(machine.problems(), "driver-fails");
}

// docker run --gpus all, with the default capabilities: compute and utility.
TEST(Doctor, ContainerWithoutTheGraphicsCapability) {
  MadeUpMachine machine;
  machine.file("/.dockerenv").file("/dev/nvidia0").file("/dev/nvidiactl").gpu("0000:3b:00.0", "0x10de");
  machine.variable("NVIDIA_DRIVER_CAPABILITIES", "compute,utility");
  EXPECT_EQ(machine.problems(), "nvidia-graphics-capability");
  EXPECT_TRUE(
      has(machine.findings()[0].what, "NVIDIA_DRIVER_CAPABILITIES=compute,utility has no \"graphics\""));
  EXPECT_TRUE(has(machine.remedy("nvidia-graphics-capability"),
                  "-e NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics"));
}

TEST(Doctor, ComputeOnlyDriverOutsideContainers) {
  MadeUpMachine machine;
  machine.file("/dev/nvidia0").gpu("0000:3b:00.0", "0x10de");
  EXPECT_EQ(machine.problems(), "nvidia-libraries");
}

// nvidia_icd.json names libGLX_nvidia, which wants the libraries of X.
TEST(Doctor, GlxManifestOnAHeadlessMachine) {
  MadeUpMachine machine;
  machine.file("/dev/nvidia0").gpu("0000:3b:00.0", "0x10de").driver("nvidia_icd.json", "libGLX_nvidia.so.0");
  machine.library("libGLX_nvidia.so.0").library("libEGL_nvidia.so.0").offers(0x10005, DeviceType::kCpu);
  EXPECT_EQ(machine.problems(), "nvidia-glx-manifest");
  const std::string remedy = machine.remedy("nvidia-glx-manifest");
  EXPECT_TRUE(has(remedy, "libEGL_nvidia.so.0") && has(remedy, "VK_DRIVER_FILES")) << remedy;
}

TEST(Doctor, GlxManifestWhoseLibraryIsMissing) {
  MadeUpMachine machine;
  machine.file("/dev/nvidia0").driver("nvidia_icd.json", "libGLX_nvidia.so.0").library("libEGL_nvidia.so.0");
  EXPECT_EQ(machine.problems(), "nvidia-glx-manifest");
}

TEST(Doctor, LibrariesWithoutAManifest) {
  MadeUpMachine machine;
  machine.file("/dev/nvidia0").library("libGLX_nvidia.so.0").library("libEGL_nvidia.so.0");
  EXPECT_EQ(machine.problems(), "nvidia-no-manifest");
}

TEST(Doctor, KernelModuleAndLibrariesOfTwoVersions) {
  MadeUpMachine machine;
  machine.file("/.dockerenv").file("/dev/nvidia0").driver("nvidia_icd.json", "libEGL_nvidia.so.0");
  machine.library("libEGL_nvidia.so.0").library("libnvidia-eglcore.so.535.183.01");
  machine.file(
      "/proc/driver/nvidia/version",
      "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\nGCC version: 12.2.0\n");
  EXPECT_EQ(machine.problems(), "nvidia-no-device nvidia-version");
  EXPECT_TRUE(has(machine.findings()[1].what, "550.54.14"));
}

TEST(Doctor, GpuThatTheContainerWasNotGiven) {
  MadeUpMachine nvidia;
  nvidia.file("/.dockerenv").gpu("0000:3b:00.0", "0x10de");
  EXPECT_EQ(nvidia.problems(), "gpu-not-in-container");
  EXPECT_TRUE(has(nvidia.remedy("gpu-not-in-container"), "--gpus all"));
  MadeUpMachine amd;
  amd.variable("APPTAINER_CONTAINER", "/x.sif").gpu("0000:03:00.0", "0x1002");
  EXPECT_EQ(amd.problems(), "gpu-not-in-container");
  EXPECT_TRUE(has(amd.remedy("gpu-not-in-container"), "--rocm"));
}

TEST(Doctor, GpuWithoutItsKernelDriver) {
  MadeUpMachine nvidia;
  EXPECT_EQ(nvidia.gpu("0000:3b:00.0", "0x10de").problems(), "nvidia-kernel-driver");
  MadeUpMachine intel;
  EXPECT_EQ(intel.gpu("0000:00:02.0", "0x8086").problems(), "no-render-node");
  // A server's display chip is nobody's GPU.
  MadeUpMachine aspeed;
  EXPECT_EQ(aspeed.gpu("0000:04:00.0", "0x1a03").problems(), "");
}

TEST(Doctor, RenderNodeThatThisUserMayNotOpen) {
  MadeUpMachine machine;
  machine.gpu("0000:00:02.0", "0x8086").file("/dev/dri/renderD128");
  apps::Case c = machine.look();
  ASSERT_EQ(c.machine.nodes.size(), 1u);
  c.machine.nodes[0].opens = false;
  const auto findings = apps::diagnose(c);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "node-permission");
  EXPECT_TRUE(has(findings[0].remedy, "usermod -aG render"));
}

TEST(Doctor, MesasDriverIsNotInstalled) {
  MadeUpMachine machine;
  machine.gpu("0000:00:02.0", "0x8086").file("/dev/dri/renderD128");
  EXPECT_EQ(machine.problems(), "no-mesa-driver");
  EXPECT_TRUE(has(machine.remedy("no-mesa-driver"), "mesa-vulkan-drivers"));
}

TEST(Doctor, HiddenDevicesAreTold) {
  MadeUpMachine machine;
  machine.offers(vulkan::kNvidia, DeviceType::kDiscrete).variable("CUDA_VISIBLE_DEVICES", "");
  EXPECT_EQ(machine.problems(), "");
  EXPECT_EQ(machine.findings().at(0).code, "hidden-devices");
}

TEST(Doctor, SlurmJobThatWasGivenNoGpu) {
  MadeUpMachine machine;
  machine.gpu("0000:3b:00.0", "0x1a03").variable("SLURM_JOB_ID", "7").offers(0x10005, DeviceType::kCpu);
  EXPECT_EQ(machine.problems(), "job-without-gpu");
}

TEST(Doctor, LimitOfTheControlGroupCounts) {
  MadeUpMachine machine;
  machine.file("/sys/fs/cgroup/memory.max", "536870912\n").file("/sys/fs/cgroup/memory.current", "0\n");
  EXPECT_EQ(machine.findings().at(0).code, "little-memory");
  EXPECT_EQ(machine.look().machine.memory_bytes, 536870912u);
}

}  // namespace
}  // namespace vulcap::testing
