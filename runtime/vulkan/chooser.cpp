#include "runtime/vulkan/chooser.h"

#include "shaders/shaders.h"

namespace vulcap::vulkan {
namespace {

const shaders::ShaderModule* find_module(std::string_view name) {
  const auto all = shaders::modules();
  const auto found = std::lower_bound(all.begin(), all.end(), name,
                                      [](const auto& m, std::string_view n) { return m.name < n; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

std::string_view tag(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kBF16:
      return "bf16";
    case DType::kF64:
      return "f64";
    case DType::kI8:
      return "i8";
    case DType::kI16:
      return "i16";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kBool:
    case DType::kU8:
      return "u8";
    case DType::kU16:
      return "u16";
    case DType::kU32:
      return "u32";
    case DType::kU64:
      return "u64";
    default:
      return "";
  }
}

bool Chooser::module(const std::string& name) {
  const shaders::ShaderModule* found = find_module(name);
  if (found == nullptr) {
    choice.refusal = "no shader variant for " + std::string(core::dtype_name(call.variant.storage)) +
                     (call.variant.second == DType::kUndefined
                          ? ""
                          : " with " + std::string(core::dtype_name(call.variant.second)));
  } else if (found->needs_16bit_storage && !caps.storage_16bit) {
    choice.refusal = "the device has no 16-bit storage";
  } else if (found->needs_8bit_storage && !caps.storage_8bit) {
    choice.refusal = "the device has no 8-bit storage";
  } else if (found->needs_int64 && !caps.int64) {
    choice.refusal = "the device has no 64-bit integers";
  } else if (found->needs_float64 && !caps.float64) {
    choice.refusal = "the device has no 64-bit floats";
  } else if (found->needs_subgroup_arithmetic && !caps.subgroup_arithmetic) {
    choice.refusal = "the device has no subgroup arithmetic";
  }
  dispatch().module = found;
  return choice.refusal.empty();
}

}  // namespace vulcap::vulkan
