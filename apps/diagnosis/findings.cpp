#include "apps/diagnosis/findings.h"

#include <algorithm>
#include <optional>

namespace vulcap::apps {
namespace {

using Findings = std::vector<Finding>;

const char* const kDriverPackages =
    "install the driver's package (Debian and Ubuntu: mesa-vulkan-drivers; Fedora: mesa-vulkan-drivers; "
    "Arch: "
    "vulkan-radeon or vulkan-intel)";

bool in_container(const Case& c) { return !c.machine.container.empty(); }

// How a container of this kind is given something.
std::string in_this_container(const Case& c, const std::string& docker, const std::string& apptainer) {
  if (c.machine.container == "apptainer") return "start the container with " + apptainer;
  if (c.machine.container == "kubernetes")
    return "let the pod ask for the GPU (resources.limits) and set in its env what docker takes as " + docker;
  return "start the container with " + docker;
}

bool has_nvidia_libraries(const Case& c) {
  return find_library(c.machine.surroundings, "libGLX_nvidia.so.0") ||
         find_library(c.machine.surroundings, "libEGL_nvidia.so.0");
}

bool is_nvidia(const DriverFile& driver) { return driver.library.find("nvidia") != std::string::npos; }

void check_loader(const Case& c, Findings& findings) {
  if (c.machine.loader) return;
  findings.push_back({true, "no-loader",
                      "Vulkan's loader, libvulkan.so.1, is not installed: no GPU can be used",
                      "install it (Debian and Ubuntu: apt install libvulkan1; Fedora: vulkan-loader; Arch: "
                      "vulkan-icd-loader); without it everything runs on the CPU"});
}

void check_variable(const Case& c, Findings& findings) {
  const std::string variable = vulkan::driver_variable(c.machine.surroundings);
  if (variable.empty()) return;
  const std::string value = c.machine.surroundings.variable(variable);
  vulkan::Surroundings without = c.machine.surroundings;
  without.variables.erase("VK_DRIVER_FILES");
  without.variables.erase("VK_ICD_FILENAMES");
  std::string usual;
  for (const auto& manifest : vulkan::driver_manifests(without))
    usual += (usual.empty() ? "" : ", ") + manifest.string();
  const bool broken = std::any_of(c.machine.drivers.begin(), c.machine.drivers.end(),
                                  [](const DriverFile& driver) { return !driver.problem.empty(); });
  findings.push_back({broken || c.machine.drivers.empty(), "driver-variable",
                      variable + "=" + value + " replaces the usual drivers" +
                          (usual.empty() ? "" : "; without it the loader would read " + usual),
                      "unset " + variable + " unless you mean it"});
}

void check_manifests(const Case& c, Findings& findings) {
  for (const DriverFile& driver : c.machine.drivers) {
    if (driver.problem.empty()) continue;
    // Told in full by the check of NVIDIA's libraries.
    if (is_nvidia(driver) && c.machine.has_node("/dev/nvidia")) continue;
    findings.push_back({true, "driver-manifest", driver.manifest.string() + ": " + driver.problem,
                        "install the driver's package again, or remove the manifest"});
  }
}

void check_driver_failures(const Case& c, Findings& findings) {
  for (const vulkan::DriverAnswer& answer : c.answers) {
    if (answer.failure.empty()) continue;
    findings.push_back(
        {true, "driver-fails",
         "the driver of " + answer.manifest.string() + " " + answer.failure +
             " when it is asked for its devices; vulcap leaves it out",
         "update the driver, or name the others in VK_DRIVER_FILES, which saves the time of asking it"});
  }
}

// The graphics libraries are mounted into a container only where that capability is asked for.
void check_graphics_capability(const Case& c, Findings& findings) {
  if (!c.machine.has_node("/dev/nvidia") || has_nvidia_libraries(c)) return;
  const std::string given = c.machine.surroundings.variable("NVIDIA_DRIVER_CAPABILITIES");
  if (!in_container(c)) {
    findings.push_back(
        {true, "nvidia-libraries",
         "NVIDIA's kernel driver is loaded, and its Vulkan libraries (libGLX_nvidia.so.0, "
         "libEGL_nvidia.so.0) are not installed",
         "install the driver whole: the compute-only (headless) packages leave them out; on Debian and "
         "Ubuntu they are in libnvidia-gl-VERSION or nvidia-vulkan-icd"});
    return;
  }
  findings.push_back(
      {true, "nvidia-graphics-capability",
       "the container has NVIDIA's devices and not its Vulkan libraries (libGLX_nvidia.so.0, "
       "libEGL_nvidia.so.0)" +
           (given.empty() ? std::string() : ": NVIDIA_DRIVER_CAPABILITIES=" + given + " has no \"graphics\""),
       in_this_container(c, "-e NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics (or all)",
                         "--nv, and the host's full driver, not the compute-only one")});
}

std::string write_egl_manifest() {
  return "write a manifest for EGL: echo '{\"file_format_version\":\"1.0.0\",\"ICD\":{\"library_path\":"
         "\"libEGL_nvidia.so.0\",\"api_version\":\"1.3.0\"}}' > ~/nvidia_egl.json; export "
         "VK_DRIVER_FILES=~/nvidia_egl.json";
}

// The manifest names the library for X; a machine without a display has, or needs, the one for EGL.
void check_headless_nvidia(const Case& c, Findings& findings) {
  if (!c.machine.has_node("/dev/nvidia") || !has_nvidia_libraries(c) || c.has_gpu_device(vulkan::kNvidia))
    return;
  const auto manifest = std::find_if(c.machine.drivers.begin(), c.machine.drivers.end(), is_nvidia);
  const bool egl = find_library(c.machine.surroundings, "libEGL_nvidia.so.0").has_value();
  if (manifest == c.machine.drivers.end()) {
    findings.push_back(
        {true, "nvidia-no-manifest",
         "NVIDIA's libraries are here, and no driver manifest (nvidia_icd.json) tells Vulkan of them",
         egl ? write_egl_manifest() : "install the driver again, with its nvidia_icd.json"});
    return;
  }
  const bool glx = manifest->library.find("GLX") != std::string::npos;
  if (glx && egl) {
    findings.push_back({true, "nvidia-glx-manifest",
                        manifest->manifest.string() + " names " + manifest->library +
                            ", which needs the libraries of X (libX11, libXext) and offers no device here; "
                            "libEGL_nvidia.so.0 needs none",
                        write_egl_manifest() + "; or install libx11-6 and libxext6"});
  } else {
    findings.push_back(
        {true, "nvidia-no-device",
         "NVIDIA's driver is installed (" + manifest->manifest.string() + ") and offers no device",
         "see whether nvidia-smi lists the GPU; VK_LOADER_DEBUG=all vulcap devices tells what the "
         "loader meets"});
  }
}

void check_nvidia_versions(const Case& c, Findings& findings) {
  if (c.machine.nvidia_version.empty() || !has_nvidia_libraries(c)) return;
  const std::string wanted = "libnvidia-glcore.so." + c.machine.nvidia_version;
  const bool eglcore =
      find_library(c.machine.surroundings, "libnvidia-eglcore.so." + c.machine.nvidia_version).has_value();
  if (eglcore || find_library(c.machine.surroundings, wanted) || c.has_gpu_device(vulkan::kNvidia)) return;
  findings.push_back({true, "nvidia-version",
                      "NVIDIA's kernel module is version " + c.machine.nvidia_version +
                          ", and its libraries here are of another (there is no " + wanted + ")",
                      in_container(c)
                          ? "do not install NVIDIA's driver inside the container: let the container toolkit "
                            "bring the host's"
                          : "reboot after the driver's update, or install the same version"});
}

void check_missing_nodes(const Case& c, Findings& findings) {
  for (const PciGpu& gpu : c.machine.gpus) {
    const bool nvidia = gpu.vendor == vulkan::kNvidia;
    const bool served = c.machine.has_node(nvidia ? "/dev/nvidia" : "/dev/dri/renderD");
    if (served || c.has_gpu_device(gpu.vendor) ||
        (!nvidia && gpu.vendor != vulkan::kAmd && gpu.vendor != vulkan::kIntel))
      continue;
    const std::string name = vendor_name(gpu.vendor) + " GPU at " + gpu.address;
    if (in_container(c)) {
      findings.push_back(
          {true, "gpu-not-in-container", "the machine has an " + name + ", and the container does not",
           nvidia ? in_this_container(c, "--gpus all -e NVIDIA_DRIVER_CAPABILITIES=all", "--nv")
                  : in_this_container(c, "--device /dev/dri", "--rocm, or --bind /dev/dri")});
    } else if (nvidia) {
      findings.push_back(
          {true, "nvidia-kernel-driver",
           "the machine has an " + name + ", and NVIDIA's kernel driver does not serve it" +
               (gpu.kernel_driver.empty() ? std::string() : " (" + gpu.kernel_driver + " does)"),
           "install NVIDIA's driver, or load it: modprobe nvidia nvidia_modeset; nvidia-smi tells"});
    } else {
      findings.push_back({true, "no-render-node",
                          "the machine has an " + name + ", and there is no /dev/dri/renderD* for it",
                          "load its kernel driver (amdgpu, i915 or xe); dmesg tells why it is not"});
    }
    return;
  }
}

void check_permissions(const Case& c, Findings& findings) {
  for (const DeviceNode& node : c.machine.nodes) {
    if (node.opens) continue;
    const bool render = node.path.string().starts_with("/dev/dri") || node.path == "/dev/kfd";
    const std::string group = std::to_string(node.group);
    findings.push_back(
        {true, "node-permission", node.path.string() + " is there, and this user may not open it",
         render
             ? (in_container(c) ? in_this_container(c, "--group-add " + group, "the user in group " + group)
                                : "join its group (sudo usermod -aG render $USER) and log in again")
             : "in a queue: ask for the GPU (--gres=gpu:1); else see the rights of /dev/nvidia*"});
    return;
  }
}

void check_mesa_driver(const Case& c, Findings& findings) {
  for (const uint32_t vendor : {vulkan::kAmd, vulkan::kIntel}) {
    if (!c.machine.has_gpu(vendor) || !c.machine.has_node("/dev/dri/renderD") || c.has_gpu_device(vendor))
      continue;
    const bool blocked = std::any_of(c.machine.nodes.begin(), c.machine.nodes.end(),
                                     [](const DeviceNode& node) { return !node.opens; });
    if (blocked) continue;
    const std::string part = vendor == vulkan::kAmd ? "radeon" : "intel";
    const bool has =
        std::any_of(c.machine.drivers.begin(), c.machine.drivers.end(), [&](const DriverFile& driver) {
          return driver.problem.empty() && driver.library.find(part) != std::string::npos;
        });
    findings.push_back(
        {true, "no-mesa-driver",
         "the " + vendor_name(vendor) + " GPU is there, and " +
             (has ? "its Vulkan driver offers no device: it may be older or newer than the driver knows"
                  : "no Vulkan driver for it is installed"),
         has ? "update mesa-vulkan-drivers; VK_LOADER_DEBUG=all vulcap devices tells what the loader meets"
             : kDriverPackages});
  }
}

void check_unusable(const Case& c, Findings& findings) {
  for (const vulkan::DeviceInfo& device : c.found.devices) {
    if (!device.unusable.empty())
      findings.push_back(
          {true, "device-unusable", device.unusable, "update the driver, or use another device"});
  }
}

void check_visible(const Case& c, Findings& findings) {
  for (const std::string& warning : c.visible.warnings)
    findings.push_back(
        {true, "visible-devices", warning, "see vulcap devices for the numbers and uuids that there are"});
  const size_t hidden = c.found.devices.size() - c.visible.devices.size();
  if (hidden > 0) {
    findings.push_back({false,
                        "hidden-devices",
                        std::to_string(hidden) + " of " + std::to_string(c.found.devices.size()) +
                            " devices are hidden: " + c.visible.reason,
                        {}});
  }
}

void check_software(const Case& c, Findings& findings) {
  if (!c.only_software()) return;
  findings.push_back(
      {false,
       "only-software",
       "the only Vulkan device, " + c.found.devices.front().name +
           ", is a renderer on the processor: good for tests; the CPU back end is faster and is what "
           "--device auto takes",
       {}});
}

void check_queue(const Case& c, Findings& findings) {
  const vulkan::Surroundings& s = c.machine.surroundings;
  if (s.variable("SLURM_JOB_ID").empty() || c.machine.gpus.empty() || !c.only_software()) return;
  if (!s.variable("SLURM_JOB_GPUS").empty() || !s.variable("CUDA_VISIBLE_DEVICES").empty()) return;
  findings.push_back({true, "job-without-gpu", "this Slurm job was given no GPU of this node",
                      "submit with --gres=gpu:1 (or --gpus=1)"});
}

void check_memory(const Case& c, Findings& findings) {
  constexpr uint64_t kLittle = 1u << 30;
  if (c.machine.memory_bytes == 0 || c.machine.available_bytes >= kLittle) return;
  findings.push_back({false, "little-memory",
                      "only " + std::to_string(c.machine.available_bytes >> 20) +
                          " MiB of memory are free: the embedded model runs, models of full size may not",
                      "close other programs, raise the container's limit, or use --dtype q8 or q4"});
}

constexpr void (*kChecks[])(const Case&, Findings&) = {
    check_loader,
    check_variable,
    check_manifests,
    check_driver_failures,
    check_missing_nodes,
    check_permissions,
    check_graphics_capability,
    check_headless_nvidia,
    check_nvidia_versions,
    check_mesa_driver,
    check_unusable,
    check_visible,
    check_queue,
    check_software,
    check_memory,
};

}  // namespace

bool Case::has_gpu_device(uint32_t vendor) const {
  return std::any_of(found.devices.begin(), found.devices.end(), [&](const vulkan::DeviceInfo& device) {
    return device.vendor_id == vendor && device.caps.type != vulkan::DeviceType::kCpu;
  });
}

bool Case::only_software() const {
  return !found.devices.empty() &&
         std::all_of(found.devices.begin(), found.devices.end(),
                     [](const auto& device) { return device.caps.type == vulkan::DeviceType::kCpu; });
}

std::vector<Finding> diagnose(const Case& c) {
  Findings findings;
  for (const auto check : kChecks) check(c, findings);
  std::stable_partition(findings.begin(), findings.end(),
                        [](const Finding& finding) { return finding.problem; });
  return findings;
}

}  // namespace vulcap::apps
