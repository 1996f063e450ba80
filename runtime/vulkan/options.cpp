#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/core/error.h"
#include "runtime/vulkan/backend.h"

namespace vulcap::vulkan {
namespace {

bool is_on(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
}

uint64_t memory_limit() {
  constexpr const char* kVariable = "VULCAP_VK_MEMORY_LIMIT";
  const char* text = std::getenv(kVariable);
  if (text == nullptr || *text == '\0') return 0;
  uint64_t mib = 0;
  const char* end = text + std::strlen(text);
  if (std::from_chars(text, end, mib).ptr != end || mib == 0 || mib > (1u << 30)) {
    throw core::Error(core::ErrorCode::kUsage,
                      std::string(kVariable) + "=" + text + " is no number of MiB from 1 on");
  }
  return mib << 20;
}

}  // namespace

Options options_from_environment(Options options) {
  const char* validation = std::getenv("VULCAP_VALIDATION");
  options.validation |= validation != nullptr && std::strcmp(validation, "1") == 0;
  options.disable_16bit_storage |= is_on("VULCAP_VK_DISABLE_F16");
  options.disable_integer_dot_product |= is_on("VULCAP_VK_DISABLE_INTEGER_DOT_PRODUCT");
  options.disable_cooperative_matrix |= is_on("VULCAP_VK_DISABLE_COOPMAT");
  if (options.memory_bytes == 0) options.memory_bytes = memory_limit();
  return options;
}

DeviceCaps masked(DeviceCaps caps, const Options& options) {
  if (options.disable_16bit_storage) caps.storage_16bit = caps.float16 = false;
  if (options.disable_8bit_storage) caps.storage_8bit = false;
  if (options.disable_int64) caps.int64 = false;
  if (options.disable_float64) caps.float64 = false;
  if (options.disable_subgroups) caps.subgroup_arithmetic = false;
  if (options.disable_integer_dot_product) caps.integer_dot_product = false;
  if (options.disable_cooperative_matrix) caps.cooperative_matrix = false;
  if (options.assume_gpu) caps.type = DeviceType::kDiscrete;
  return caps;
}

}  // namespace vulcap::vulkan
