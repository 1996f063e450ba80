// The embedded shaders: the pinned list of variants, and reflection against the kernels' parameter structs.
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/vulkan/variant_choice.h"
#include "shaders/shaders.h"

namespace vulcap::shaders {
namespace {

TEST(Modules, AreThosePinnedInVariantsTxt) {
  std::ifstream file(std::string(VULCAP_SOURCE_DIR) + "/shaders/variants.txt");
  std::vector<std::string> pinned, built;
  for (std::string line; std::getline(file, line);) pinned.push_back(line);
  for (const ShaderModule& module : modules()) built.emplace_back(module.name);
  EXPECT_EQ(built, pinned);
}

TEST(Modules, PushConstantsAreTheKernelsParameters) {
  for (const ShaderModule& module : modules()) {
    const ops::KernelDef* kernel = vulkan::kernel_of_shader(module.name.substr(0, module.name.find('.')));
    ASSERT_NE(kernel, nullptr) << module.name;
    EXPECT_EQ(module.push_bytes, kernel->param_bytes) << module.name;
  }
}

TEST(Modules, ReflectionSeesBindingsConstantsAndFeatures) {
  const auto find = [](std::string_view name) -> const ShaderModule& {
    for (const ShaderModule& module : modules()) {
      if (module.name == name) return module;
    }
    throw std::runtime_error("no module " + std::string(name));
  };
  const ShaderModule& attention = find("attention.S_f16");
  EXPECT_EQ(attention.bindings, 8u);
  EXPECT_TRUE(attention.needs_16bit_storage);
  EXPECT_TRUE(attention.needs_subgroup_arithmetic);
  EXPECT_FALSE(attention.needs_int64);
  EXPECT_TRUE(find("attention.S_f32").needs_int64);
  EXPECT_TRUE(find("binary.S_f64").needs_float64);
  const ShaderModule& binary = find("binary.S_i64");
  EXPECT_TRUE(binary.needs_int64);
  EXPECT_FALSE(binary.needs_16bit_storage);
  EXPECT_EQ(std::vector<uint32_t>(binary.spec_ids.begin(), binary.spec_ids.end()),
            (std::vector<uint32_t>{0, 1, 10}));
  EXPECT_TRUE(find("logic").needs_8bit_storage);
}

}  // namespace
}  // namespace vulcap::shaders
