// The choice of shader variants, on made-up capabilities.
#include "runtime/vulkan/variant_choice.h"

#include <gtest/gtest.h>

#include "runtime/vulkan/merge_axes.h"
#include "shaders/abi.h"
#include "tests/kernels/cases.h"

namespace vulcap::vulkan {
namespace {

DeviceCaps software_renderer() {
  DeviceCaps caps;
  caps.type = DeviceType::kCpu;
  caps.subgroup_size = 8;
  caps.subgroup_arithmetic = caps.storage_16bit = caps.storage_8bit = caps.int64 = caps.float64 = true;
  caps.max_workgroup_invocations = 1024;
  return caps;
}

DeviceCaps discrete_gpu() {
  DeviceCaps caps = software_renderer();
  caps.type = DeviceType::kDiscrete;
  caps.subgroup_size = 32;
  return caps;
}

VariantChoice choose(const char* row, const DeviceCaps& caps) {
  return choose_variant(testing::make_case(row).call, caps);
}

std::string_view module_of(const char* row, const DeviceCaps& caps) {
  const VariantChoice choice = choose(row, caps);
  return choice.refusal.empty() ? choice.dispatch.module->name : std::string_view("refused");
}

uint32_t constant(const VariantChoice& choice, uint32_t id) {
  for (const SpecValue& value : choice.dispatch.constants) {
    if (value.id == id) return value.value;
  }
  return UINT32_MAX;
}

TEST(VariantChoice, MatmulFollowsTheDevice) {
  EXPECT_EQ(module_of("matmul m=197 n=768 k=768", software_renderer()), "matmul.S_f32.W_f32");
  EXPECT_EQ(module_of("matmul m=197 n=768 k=768", discrete_gpu()), "matmul_tiled.S_f32.W_f32");
  EXPECT_EQ(module_of("matmul m=8 n=768 k=768 storage=f16 second=f16", discrete_gpu()),
            "matmul_vec.S_f16.W_f16");
  EXPECT_EQ(module_of("matmul m=9 n=768 k=768 storage=f32 second=f16", discrete_gpu()),
            "matmul_tiled.S_f32.W_f16");
  EXPECT_EQ(module_of("matmul m=2 n=3 k=0", software_renderer()), "matmul_vec.S_f32.W_f32");
  EXPECT_EQ(module_of("matmul m=9 n=3 k=0", software_renderer()), "matmul_tiled.S_f32.W_f32");
  DeviceCaps small = discrete_gpu();
  small.max_workgroup_invocations = 128;
  EXPECT_EQ(module_of("matmul m=8 n=768 k=768", small), "refused");
  DeviceCaps bare = software_renderer();
  bare.int64 = false;
  EXPECT_EQ(module_of("matmul m=197 n=768 k=768", bare), "matmul_tiled.S_f32.W_f32");
}

TEST(VariantChoice, MatmulTakesPairsOnlyWhenAllIsEven) {
  constexpr uint32_t kRows = 2, kPairs = 5;
  EXPECT_EQ(constant(choose("matmul m=197 n=768 k=768", software_renderer()), kPairs), 1u);
  EXPECT_EQ(constant(choose("matmul m=197 n=767 k=768", software_renderer()), kPairs), 0u);
  EXPECT_EQ(constant(choose("matmul m=197 n=768 k=767", software_renderer()), kPairs), 0u);
  EXPECT_EQ(constant(choose("matmul m=197 n=768 k=768 a_offset=1", software_renderer()), kPairs), 0u);
  EXPECT_EQ(constant(choose("matmul m=1 n=768 k=768", software_renderer()), kRows), 1u);
  EXPECT_EQ(constant(choose("matmul m=3 n=768 k=768", software_renderer()), kRows), 4u);
  EXPECT_EQ(constant(choose("matmul m=5 n=768 k=768", software_renderer()), kRows), 8u);
  EXPECT_EQ(constant(choose("matmul m=197 n=768 k=768", software_renderer()), kRows), 16u);
}

TEST(VariantChoice, ScattersThatCombineWalkOneAxisInOrder) {
  EXPECT_EQ(module_of("scatter_nd x=4,5 index=3,1", discrete_gpu()), "scatter_nd.E_b4");
  const VariantChoice choice = choose("scatter_nd x=4,5 index=3,1 op=1", discrete_gpu());
  EXPECT_EQ(choice.dispatch.module->name, "scatter_nd_reduce.S_f32");
  EXPECT_EQ(constant(choice, 2), 4u) << "the axis of the three indices";
  EXPECT_EQ(constant(choose("scatter_nd axis=0 x=4 index=4 op=1", discrete_gpu()), 2), 5u);
  EXPECT_EQ(module_of("scatter_nd x=4,5 index=70000,1 op=1", software_renderer()), "refused");
}

TEST(VariantChoice, TopKTakesMoreLanesForLongLines) {
  constexpr uint32_t kLanes = 10;
  EXPECT_EQ(constant(choose("top_k reduce=50 largest", software_renderer()), kLanes), 8u);
  EXPECT_EQ(constant(choose("top_k reduce=600000 largest", software_renderer()), kLanes), 32u);
  EXPECT_EQ(constant(choose("top_k reduce=50 largest", discrete_gpu()), kLanes), 256u);
}

TEST(VariantChoice, IntegersAreReducedOneInvocationAnOutput) {
  EXPECT_EQ(module_of("reduce op=0 storage=i64", software_renderer()), "reduce_serial.S_i64");
  EXPECT_EQ(module_of("reduce op=2 storage=u8", software_renderer()), "reduce_serial.S_u8");
  EXPECT_EQ(module_of("reduce op=6 storage=i32", software_renderer()), "refused");
}

TEST(VariantChoice, GroupsCoverTheWork) {
  EXPECT_EQ(choose("unary op=Relu n=65", software_renderer()).dispatch.groups,
            (std::array<uint32_t, 3>{2, 1, 1}));
  EXPECT_EQ(choose("unary op=Relu n=0", software_renderer()).dispatch.groups[0], 0u);
  ops::KernelCall huge = testing::make_case("unary op=Relu n=1").call;
  abi::UnaryParams params = huge.params_as<abi::UnaryParams>();
  params.n = 3000000000u;
  huge.set_params(params);
  const auto groups = choose_variant(huge, discrete_gpu()).dispatch.groups;
  EXPECT_LE(groups[0], 65535u);
  EXPECT_LE(groups[1], 65535u);
  EXPECT_GE(uint64_t(groups[0]) * groups[1] * 256, params.n);
}

TEST(VariantChoice, MissingFeaturesAreNamed) {
  DeviceCaps caps = discrete_gpu();
  caps.storage_16bit = false;
  EXPECT_EQ(choose("unary op=Relu storage=f16", caps).refusal, "the device has no 16-bit storage");
  caps.storage_8bit = false;
  EXPECT_EQ(choose("logic op=And shape=3 storage=bool", caps).refusal, "the device has no 8-bit storage");
  caps.int64 = false;
  EXPECT_EQ(choose("binary op=Add shape=3 storage=i64", caps).refusal, "the device has no 64-bit integers");
  caps.float64 = false;
  EXPECT_EQ(choose("binary op=Add shape=3 storage=f64", caps).refusal, "the device has no 64-bit floats");
  caps.subgroup_arithmetic = false;
  EXPECT_EQ(choose("softmax rows=3 cols=5", caps).refusal, "the device has no subgroup arithmetic");
  EXPECT_EQ(choose("reduce op=6 reduce=9 storage=i32", caps).refusal,
            "no shader variant of this reduction for i32");
}

TEST(VariantChoice, LoopsTooLongForSoftwareRenderersAreRefused) {
  for (const char* row :
       {"attention q=1 kv=20000 heads=1 d=64", "softmax rows=1 cols=200000", "layer_norm rows=1 cols=200000",
        "matmul m=1 n=1 k=120000", "reduce op=0 outer=1 reduce=1000000 inner=1"}) {
    EXPECT_NE(choose(row, software_renderer()).refusal.find("loop rounds"), std::string::npos) << row;
    EXPECT_EQ(choose(row, discrete_gpu()).refusal, "") << row;
  }
  EXPECT_EQ(choose("attention q=1 kv=1 dyn=1 state=30 heads=12 d=64", software_renderer()).refusal, "");
  EXPECT_EQ(choose("attention q=197 kv=1025 heads=12 d=64", software_renderer()).refusal, "");
}

TEST(VariantChoice, QuantisedWeightsAreReadInWordsWhereTheLayoutAllowsIt) {
  constexpr uint32_t kReading = 4, kSingly = 0, kAlongK = 1, kAlongN = 2;
  const auto reading = [](const char* row) { return constant(choose(row, software_renderer()), kReading); };
  EXPECT_EQ(reading("matmul_quantized n=8 k=64"), kAlongK);
  EXPECT_EQ(reading("matmul_quantized n=8 k=64 bits=8 block=0 tight layout=columns"), kAlongN);
  EXPECT_EQ(reading("matmul_quantized n=7 k=64 bits=8 block=0 tight layout=columns"), kSingly);
  EXPECT_EQ(reading("matmul_quantized n=5 k=36 table=nf4 block=16 flat"), kSingly);
  DeviceCaps bare = software_renderer();
  bare.storage_8bit = false;
  EXPECT_EQ(module_of("matmul_quantized n=8 k=64", bare), "refused");
}

TEST(VariantChoice, IntegerProductsReadWordsWhereRowsAreAligned) {
  constexpr uint32_t kWordsA = 5, kWordsB = 6;
  const VariantChoice aligned = choose("matmul_integer m=4 n=8 k=16", software_renderer());
  EXPECT_EQ(constant(aligned, kWordsA), 1u);
  EXPECT_EQ(constant(aligned, kWordsB), 1u);
  const VariantChoice odd = choose("matmul_integer m=4 n=7 k=16", software_renderer());
  EXPECT_EQ(constant(odd, kWordsA), 1u);
  EXPECT_EQ(constant(odd, kWordsB), 0u);
}

TEST(VariantChoice, ConstantsAreThoseOfTheModule) {
  for (const testing::KernelCase& test : testing::kernel_cases()) {
    for (const DeviceCaps& caps : {software_renderer(), discrete_gpu()}) {
      const VariantChoice choice = choose_variant(test.call, caps);
      if (!choice.refusal.empty()) continue;
      for (const SpecValue& value : choice.dispatch.constants) {
        const auto ids = choice.dispatch.module->spec_ids;
        EXPECT_TRUE(std::find(ids.begin(), ids.end(), value.id) != ids.end())
            << choice.dispatch.module->name << " has no constant " << value.id;
      }
    }
  }
}

TEST(MergeAxes, JoinsWhatIsContiguousForAll) {
  uint32_t shape[6] = {1, 1, 2, 3, 4, 5};
  uint32_t a[6] = {0, 0, 60, 20, 5, 1}, b[6] = {0, 0, 0, 0, 5, 1};
  EXPECT_EQ(merge_axes(shape, std::array{&a, &b}), 2u);
  EXPECT_EQ(shape[4], 6u);
  EXPECT_EQ(shape[5], 20u);
  EXPECT_EQ(a[4], 20u);
  EXPECT_EQ(b[4], 0u);
  EXPECT_EQ(b[5], 1u);
}

TEST(MergeAxes, KeepsNegativeStridesAndScalars) {
  uint32_t shape[6] = {1, 1, 1, 1, 7, 5};
  int32_t in[6] = {0, 0, 0, 0, -5, -1}, out[6] = {0, 0, 0, 0, 5, 1};
  EXPECT_EQ(merge_axes(shape, std::array{&in, &out}), 1u);
  EXPECT_EQ(shape[5], 35u);
  EXPECT_EQ(in[5], -1);
  uint32_t one[6] = {1, 1, 1, 1, 1, 1};
  uint32_t stride[6] = {};
  EXPECT_EQ(merge_axes(one, std::array{&stride}), 1u);
  EXPECT_EQ(one[5], 1u);
}

}  // namespace
}  // namespace vulcap::vulkan
