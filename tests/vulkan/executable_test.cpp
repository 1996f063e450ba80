// Plans of several calls: order through an aliased arena, calls on the host between device calls, replay with
// a new state, weights in slices.
#include <cstring>
#include <filesystem>
#include <random>

#include "runtime/core/error.h"
#include "shaders/abi.h"
#include "tests/kernels/cases.h"
#include "tests/vulkan/vulkan_device.h"

namespace vulcap::testing {
namespace {

constexpr uint32_t kItems = 1000;
constexpr uint64_t kBytes = kItems * sizeof(float);

ops::Binding binding(ops::BufferKind kind, uint32_t index, uint64_t offset, uint64_t size, bool written) {
  return {kind, index, offset, size, written};
}

// y = x + x over kItems floats.
ops::KernelCall twice(ops::Binding x, ops::Binding y) {
  ops::KernelCall call;
  call.kernel = ops::kernel_index("binary");
  call.variant = {core::DType::kF32, core::DType::kF32};
  abi::BinaryParams params{};
  params.n = kItems;
  for (uint32_t& size : params.shape) size = 1;
  params.shape[5] = kItems;
  params.a_stride[5] = params.b_stride[5] = 1;
  call.set_params(params);
  x.written = false;
  y.written = true;
  call.bindings = {x, x, y};
  call.work = {kItems, 1, 1};
  return call;
}

ops::Binding arena(uint64_t slot) { return binding(ops::BufferKind::kArena, 0, slot * 4096, kBytes, false); }
ops::Binding external(uint32_t index) { return binding(ops::BufferKind::kExternal, index, 0, kBytes, false); }

// A chain that doubles 20 times through three arena slots, so that each is written again while others are
// read.
std::vector<ops::KernelCall> aliased_chain() {
  std::vector<ops::KernelCall> calls{twice(external(0), arena(0))};
  for (uint64_t i = 0; i < 18; ++i) calls.push_back(twice(arena(i % 3), arena((i + 1) % 3)));
  calls.push_back(twice(arena(0), external(1)));
  return calls;
}

void on_host(const ops::KernelArgs& args) { ops::kernels()[args.call.kernel].reference(args); }

class VulkanPlan : public VulkanTest {
 protected:
  static void check_chain(plan::Backend& backend, std::vector<uint8_t> host_flags) {
    const auto calls = aliased_chain();
    std::vector<float> x(kItems), y(kItems);
    for (uint32_t i = 0; i < kItems; ++i) x[i] = float(i);
    plan::BuildRequest request;
    request.calls = calls;
    request.on_host = host_flags;
    request.host = on_host;
    request.arena = backend.allocate(3 * 4096, "arena");
    request.external = {backend.allocate(kBytes, "x"), backend.allocate(kBytes, "y")};
    const auto buffers = request.external;
    const auto executable = backend.build(std::move(request));
    for (float factor : {1.0f, 3.0f}) {
      std::vector<float> input = x;
      for (float& value : input) value *= factor;
      buffers[0]->write(0, std::as_bytes(std::span(input)));
      executable->run();
      buffers[1]->read(0, std::as_writable_bytes(std::span(y)));
      for (uint32_t i = 0; i < kItems; ++i) ASSERT_EQ(y[i], input[i] * 1048576.0f) << i;
    }
  }
};

TEST_F(VulkanPlan, AliasedArenaRunsInOrder) { check_chain(*shared_backend(), {}); }

TEST_F(VulkanPlan, CallsOnTheHostSplitTheRecording) {
  std::vector<uint8_t> flags(20, 0);
  flags[0] = flags[7] = flags[8] = flags[19] = 1;
  check_chain(*shared_backend(), flags);
  vulkan::Options options;
  options.force_staging = true;
  check_chain(*make_backend(options), flags);
  check_chain(*shared_backend(), std::vector<uint8_t>(20, 1));
}

TEST_F(VulkanPlan, ReplaysWithANewState) {
  const KernelCase test = make_case("copy shape=2,1,8 in=8,8,1 out=160,8,1 out_dyn=8 state=19");
  auto& backend = *shared_backend();
  plan::BuildRequest request;
  request.calls = {&test.call, 1};
  for (const Bytes& bytes : test.inputs) {
    request.external.push_back(backend.allocate(bytes.size(), "test"));
    request.external.back()->write(0, bytes);
  }
  request.state = backend.allocate(sizeof test.state, "state");
  const auto buffers = request.external;
  const auto state = request.state;
  const auto executable = backend.build(std::move(request));
  KernelCase step = test;
  for (uint32_t position : {0u, 1u, 7u, 19u}) {
    state->write(0, std::as_bytes(std::span(&position, 1)));
    executable->run();
    step.state[0] = position;
    step.inputs = expected(step);
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    Bytes got(step.inputs[i].size());
    buffers[i]->read(0, got);
    EXPECT_EQ(got, step.inputs[i]) << "buffer " << i;
  }
}

TEST_F(VulkanPlan, WeightSlices) {
  std::vector<float> values(6 * 10);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i);
  const auto tensor = core::Tensor::from(core::DType::kF32, {6, 10}, values);
  const auto sliced = [&](ops::WeightLayout layout, uint64_t begin, uint64_t end) {
    const auto buffer = shared_backend()->upload({&tensor, layout, begin, end, 0});
    std::vector<float> result(buffer->size() / sizeof(float));
    buffer->read(0, std::as_writable_bytes(std::span(result)));
    return result;
  };
  EXPECT_EQ(sliced(ops::WeightLayout::kPlain, 0, 0), values);
  EXPECT_EQ(sliced(ops::WeightLayout::kMatmulNK, 2, 3),
            (std::vector<float>{20, 21, 22, 23, 24, 25, 26, 27, 28, 29}));
  EXPECT_EQ(sliced(ops::WeightLayout::kMatmulKN, 8, 10),
            (std::vector<float>{8, 9, 18, 19, 28, 29, 38, 39, 48, 49, 58, 59}));
  EXPECT_THROW(sliced(ops::WeightLayout::kMatmulKN, 8, 11), core::Error);
}

TEST_F(VulkanPlan, AccessOutsideABufferIsAnError) {
  const auto buffer = shared_backend()->allocate(10, "small");
  std::byte bytes[8]{};
  EXPECT_THROW(buffer->write(3, bytes), core::Error);
  EXPECT_THROW(buffer->read(SIZE_MAX, bytes), core::Error);
  EXPECT_NO_THROW(buffer->write(2, bytes));
  ops::KernelCall call = twice(external(0), external(0));
  plan::BuildRequest request;
  request.calls = {&call, 1};
  request.external = {buffer};
  EXPECT_THROW(shared_backend()->build(std::move(request)), core::Error);
}

TEST_F(VulkanPlan, TooMuchMemoryIsAnError) {
  try {
    shared_backend()->allocate(size_t(1) << 50, "huge");
    FAIL() << "a petabyte was allocated";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
  }
}

TEST_F(VulkanPlan, PipelineCacheFileIsWrittenAndABadOneIsAMiss) {
  vulkan::Options options;
  options.pipeline_cache_dir = std::filesystem::path(::testing::TempDir()) / "vulcap_pipelines";
  std::filesystem::remove_all(options.pipeline_cache_dir);
  check_chain(*make_backend(options), {});
  ASSERT_EQ(std::distance(std::filesystem::directory_iterator(options.pipeline_cache_dir), {}), 1);
  const auto file = std::filesystem::directory_iterator(options.pipeline_cache_dir)->path();
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  check_chain(*make_backend(options), {});
  std::filesystem::remove_all(options.pipeline_cache_dir);
}

TEST_F(VulkanPlan, UnknownDeviceIsAnError) {
  try {
    vulkan::create_backend(99);
    FAIL() << "there is a device 99";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kNoDevice);
  }
}

}  // namespace
}  // namespace vulcap::testing
