#include "apps/diagnosis/feature_table.h"

namespace vulcap::apps {
namespace {

struct Row {
  const char* name;
  bool vulkan::DeviceCaps::*flag;
  bool kernels_use_it;
  const char* with;
  const char* without;
};

constexpr Row kRows[] = {
    {"16-bit storage", &vulkan::DeviceCaps::storage_16bit, true, "half-precision models run on the device",
     "half-precision kernels run on the CPU: use fp32 or int8 files"},
    {"8-bit storage", &vulkan::DeviceCaps::storage_8bit, true,
     "int8 and 4-bit weights are multiplied as they are stored",
     "kernels on int8 and 4-bit numbers run on the CPU"},
    {"subgroup arithmetic", &vulkan::DeviceCaps::subgroup_arithmetic, true,
     "sums of softmax, norms and products run within subgroups",
     "kernels with sums over rows run on the CPU, which is slow: the device is too old"},
    {"64-bit integers", &vulkan::DeviceCaps::int64, true, "token ids and indices stay on the device",
     "kernels on 64-bit ids and indices run on the CPU"},
    {"64-bit floats", &vulkan::DeviceCaps::float64, true, "graphs that compute in double run on the device",
     "kernels in double run on the CPU; captioners have none"},
    {"half arithmetic", &vulkan::DeviceCaps::float16, false, "not needed: sums are always fp32",
     "not needed: sums are always fp32"},
    {"integer dot product", &vulkan::DeviceCaps::integer_dot_product, false,
     "not used: int8 products are summed element by element, exactly", "not needed"},
    {"cooperative matrix", &vulkan::DeviceCaps::cooperative_matrix, false,
     "not used: matrix units (tensor cores) lie idle, products run on the shader cores", "not needed"},
};

}  // namespace

std::vector<Feature> feature_table(const vulkan::DeviceCaps& device, const vulkan::DeviceCaps& allowed) {
  std::vector<Feature> table;
  for (const Row& row : kRows) {
    const bool has = device.*row.flag;
    const bool used = allowed.*row.flag && row.kernels_use_it;
    std::string meaning = used || (has && !row.kernels_use_it) ? row.with : row.without;
    if (has && !(allowed.*row.flag))
      meaning = "switched off by a VULCAP_VK_DISABLE_* variable: " + std::string(row.without);
    table.push_back({row.name, has, used, std::move(meaning)});
  }
  return table;
}

}  // namespace vulcap::apps
