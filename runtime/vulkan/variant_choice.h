// Which shader variant runs a kernel call on a device, with which constants and how many groups: a pure
// function, so that device classes that are not at hand are tested with made-up capabilities.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ops/kernel_call.h"
#include "runtime/vulkan/devices.h"
#include "shaders/shaders.h"

namespace vulcap::vulkan {

// The value of a specialisation constant. Ids from 10 on are workgroup sizes.
struct SpecValue {
  uint32_t id = 0;
  uint32_t value = 0;
  auto operator<=>(const SpecValue&) const = default;
};

struct Dispatch {
  const shaders::ShaderModule* module = nullptr;
  std::vector<SpecValue> constants;
  std::array<uint32_t, 3> groups{0, 0, 0};  // a zero: nothing to do
  std::array<std::byte, ops::kMaxParamBytes>
      params{};  // the call's, with adjacent axes merged where the kernel has axes
};

struct VariantChoice {
  std::string refusal;  // why no variant runs the call; empty when one does
  Dispatch dispatch;
};

// The kernel of a shader: shaders are called <kernel> or <kernel>_<what>, and the longest kernel name that
// fits counts. Null when there is none.
const ops::KernelDef* kernel_of_shader(std::string_view shader);

VariantChoice choose_variant(const ops::KernelCall& call, const DeviceCaps& caps);

}  // namespace vulcap::vulkan
