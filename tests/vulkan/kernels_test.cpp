// Every row of the kernel case table on the shaders against the scalar references, as software renderers run
// them and as GPUs do. What the shaders refuse stands in exceptions.txt.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>
#include <span>

#include "runtime/core/error.h"
#include "tests/kernels/cases.h"
#include "tests/vulkan/vulkan_device.h"

namespace vulcap::testing {
namespace {

std::vector<Bytes> run(plan::Backend& backend, const KernelCase& test) {
  plan::BuildRequest request;
  request.calls = {&test.call, 1};
  for (const Bytes& bytes : test.inputs) {
    request.external.push_back(backend.allocate(bytes.size(), "test"));
    request.external.back()->write(0, bytes);
  }
  request.state = backend.allocate(sizeof test.state, "state");
  request.state->write(0, std::as_bytes(std::span(test.state)));
  const auto buffers = request.external;
  const auto executable = backend.build(std::move(request));
  executable->run();
  std::vector<Bytes> got;
  for (size_t i = 0; i < buffers.size(); ++i) {
    got.emplace_back(test.inputs[i].size());
    buffers[i]->read(0, got.back());
  }
  return got;
}

// "reduce i32: no shader variant for i32"
std::string refusal_line(const KernelCase& test, const std::string& reason) {
  return std::string(ops::kernels()[test.call.kernel].name) + " " +
         std::string(core::dtype_name(test.call.variant.storage)) + ": " + reason;
}

std::set<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::set<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') lines.insert(line);
  }
  return lines;
}

// Vulkan lets a device take subnormal numbers for zero and promises divisions by numbers up to 2^126 alone,
// and GPUs use both: there the rows go without such numbers.
template <typename Word>
void tame_extremes(Bytes& bytes, int mantissa_bits) {
  const Word exponent = Word(0xff) << mantissa_bits, step = Word(1) << mantissa_bits;
  for (size_t at = 0; at + sizeof(Word) <= bytes.size(); at += sizeof(Word)) {
    Word word;
    std::memcpy(&word, &bytes[at], sizeof word);
    if ((word & exponent) == 0) word = 0;
    if ((word & exponent) > 252 * step && (word & exponent) != exponent) word = Word(word - 4 * step);
    std::memcpy(&bytes[at], &word, sizeof word);
  }
}

void tame_extremes(KernelCase& test) {
  const core::DType storage = test.call.variant.storage;
  for (Bytes& bytes : test.inputs) {
    if (test.special && storage == core::DType::kF32) tame_extremes<uint32_t>(bytes, 23);
    if (test.special && storage == core::DType::kBF16) tame_extremes<uint16_t>(bytes, 7);
  }
}

// Runs all cases; returns the refusals.
std::set<std::string> run_all(plan::Backend& backend) {
  std::set<std::string> refusals;
  for (KernelCase test : kernel_cases()) {
    if (on_gpu()) tame_extremes(test);
    const plan::Support support = backend.supports(test.call);
    if (!support.ok) {
      refusals.insert(refusal_line(test, support.reason));
      continue;
    }
    EXPECT_EQ(compare(test, run(backend, test), expected(test)), "") << test.name;
  }
  return refusals;
}

using VulkanKernels = VulkanTest;

TEST_F(VulkanKernels, MatchTheReference) {
  const auto exceptions = read_lines(std::string(VULCAP_SOURCE_DIR) + "/tests/vulkan/exceptions.txt");
  EXPECT_EQ(run_all(*shared_backend()), exceptions);
}

TEST_F(VulkanKernels, MatchTheReferenceAsOnAGpu) {
  vulkan::Options options;
  options.assume_gpu = true;
  run_all(*make_backend(options));
}

TEST_F(VulkanKernels, MatchTheReferenceThroughStaging) {
  vulkan::Options options;
  options.force_staging = true;
  const auto backend = make_backend(options);
  for (const char* row :
       {"unary op=Relu n=131 inplace storage=f16", "matmul m=13 n=37 k=19 act=gelu bias residual",
        "copy shape=2,1,8 in=8,8,1 out=160,8,1 out_dyn=8 state=7", "gather axis=1031 inner=768 indices=19"}) {
    const KernelCase test = make_case(row);
    EXPECT_EQ(compare(test, run(*backend, test), expected(test)), "") << row;
  }
}

TEST_F(VulkanKernels, LackingFeaturesAreRefusedWithTheReason) {
  vulkan::Options options;
  options.disable_16bit_storage = options.disable_8bit_storage = options.disable_int64 =
      options.disable_float64 = options.disable_subgroups = true;
  const auto backend = make_backend(options);
  const std::set<std::string> refusals = run_all(*backend);
  EXPECT_TRUE(refusals.contains("unary f16: the device has no 16-bit storage"));
  EXPECT_TRUE(refusals.contains("logic bool: the device has no 8-bit storage"));
  EXPECT_TRUE(refusals.contains("binary i64: the device has no 64-bit integers"));
  EXPECT_TRUE(refusals.contains("binary f64: the device has no 64-bit floats"));
  EXPECT_TRUE(refusals.contains("softmax f32: the device has no subgroup arithmetic"));
  EXPECT_EQ(std::count_if(refusals.begin(), refusals.end(),
                          [](const auto& r) { return r.starts_with("matmul f32"); }),
            1)
      << "only that with f16 weights";
}

}  // namespace
}  // namespace vulcap::testing
