#include "runtime/vulkan/backend.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"
#include "runtime/vulkan/executable.h"
#include "runtime/vulkan/memory.h"
#include "runtime/vulkan/pipelines.h"
#include "runtime/vulkan/variant_choice.h"

namespace vulcap::vulkan {
namespace {

// Beyond this a weight is copied in parts, so that a mapped file never lies in memory twice as a whole.
constexpr size_t kUploadPartBytes = 8u << 20;

void check_parameter_sizes() {
  for (const shaders::ShaderModule& module : shaders::modules()) {
    const ops::KernelDef* kernel = kernel_of_shader(module.name.substr(0, module.name.find('.')));
    const size_t expected = kernel == nullptr ? 0 : kernel->param_bytes;
    if (module.push_bytes == expected) continue;
    throw core::Error(core::ErrorCode::kRuntime,
                      "the shader " + std::string(module.name) + " takes " +
                          std::to_string(module.push_bytes) + " bytes of parameters, its kernel gives " +
                          std::to_string(expected) + ": the build is inconsistent, build anew");
  }
}

class VulkanBackend : public plan::Backend {
 public:
  VulkanBackend(uint32_t index, const Options& options)
      : device_(std::make_shared<Device>(index, options.validation)),
        caps_(masked(device_->info().caps, options)),
        memory_(std::make_shared<Memory>(device_, options.force_staging, options.memory_bytes)),
        pipelines_(std::make_shared<Pipelines>(device_, options.pipeline_cache_dir)) {
    if (options.uuid && *options.uuid != device_->info().uuid) {
      throw core::Error(core::ErrorCode::kNoDevice, "vulkan:" + std::to_string(index) +
                                                        " has become another device, " +
                                                        device_->info().name + ": run again");
    }
    check_parameter_sizes();
  }

  std::string name() const override {
    return "vulkan:" + std::to_string(device_->info().index) + " " + device_->info().name;
  }

  plan::Limits limits() const override {
    return {std::min(caps_.max_storage_buffer_range, caps_.max_allocation_bytes), memory_->total()};
  }

  uint64_t memory_used() const override { return memory_->used(); }
  bool owns(const plan::Buffer& buffer) const override {
    return dynamic_cast<const DeviceBuffer*>(&buffer) != nullptr;
  }

  plan::Support supports(const ops::KernelCall& call) const override {
    for (const ops::Binding& binding : call.bindings) {
      if (binding.size > caps_.max_storage_buffer_range) {
        return {false, "a binding of " + std::to_string(binding.size) +
                           " bytes is over the device's limit of " +
                           std::to_string(caps_.max_storage_buffer_range)};
      }
      if (binding.offset % caps_.min_storage_alignment != 0) {
        return {false, "a binding at byte " + std::to_string(binding.offset) +
                           " is not at a multiple of the device's " +
                           std::to_string(caps_.min_storage_alignment)};
      }
    }
    std::string refusal = choose_variant(call, caps_).refusal;
    return {refusal.empty(), std::move(refusal)};
  }

  std::shared_ptr<plan::Buffer> allocate(size_t bytes, std::string_view) override {
    return std::make_shared<DeviceBuffer>(memory_, bytes);
  }

  std::shared_ptr<plan::Buffer> upload(const plan::WeightRequest& request) override;

  std::unique_ptr<plan::Executable> build(plan::BuildRequest request) override {
    return build_executable(device_, memory_, *pipelines_, caps_, std::move(request));
  }

 private:
  void upload_columns(DeviceBuffer& buffer, const plan::WeightRequest& request, size_t columns) const;

  std::shared_ptr<Device> device_;
  DeviceCaps caps_;
  std::shared_ptr<Memory> memory_;
  std::shared_ptr<Pipelines> pipelines_;
};

void write_in_parts(DeviceBuffer& buffer, std::span<const std::byte> bytes, bool file_backed) {
  for (size_t done = 0; done < bytes.size(); done += kUploadPartBytes) {
    const auto part = bytes.subspan(done, std::min(kUploadPartBytes, bytes.size() - done));
    buffer.write(done, part);
    if (file_backed) core::MappedFile::release_pages(part);
  }
}

void VulkanBackend::upload_columns(DeviceBuffer& buffer, const plan::WeightRequest& request,
                                   size_t columns) const {
  const core::Tensor& tensor = *request.tensor;
  const size_t rows = tensor.size() / columns;
  const size_t begin = core::dtype_bytes(tensor.dtype(), request.n_begin);
  const size_t width = core::dtype_bytes(tensor.dtype(), request.n_end - request.n_begin);
  const size_t stride = core::dtype_bytes(tensor.dtype(), columns);
  const size_t part_rows = std::max<size_t>(1, kUploadPartBytes / std::max<size_t>(width, 1));
  std::vector<std::byte> part;
  for (size_t row = 0; row < rows; row += part_rows) {
    const size_t count = std::min(part_rows, rows - row);
    part.resize(count * width);
    for (size_t r = 0; r < count; ++r) {
      std::memcpy(part.data() + r * width, tensor.bytes().data() + (row + r) * stride + begin, width);
    }
    buffer.write(row * width, part);
  }
  if (tensor.file_backed()) core::MappedFile::release_pages(tensor.bytes());
}

std::shared_ptr<plan::Buffer> VulkanBackend::upload(const plan::WeightRequest& request) {
  const core::Tensor& tensor = *request.tensor;
  const core::Shape& shape = tensor.shape();
  if (request.n_end == 0 || shape.empty()) {
    auto buffer = std::make_shared<DeviceBuffer>(memory_, tensor.bytes().size());
    write_in_parts(*buffer, tensor.bytes(), tensor.file_backed());
    return buffer;
  }
  const bool columns = request.layout == ops::WeightLayout::kMatmulKN;
  const auto extent = uint64_t(columns ? shape.back() : shape.front());
  if (request.n_begin > request.n_end || request.n_end > extent) {
    throw core::Error(core::ErrorCode::kRuntime,
                      "a slice of a weight is outside its shape " + core::shape_text(shape));
  }
  const size_t share = extent == 0 ? 0 : tensor.size() / extent;
  const size_t bytes = core::dtype_bytes(tensor.dtype(), share * (request.n_end - request.n_begin));
  auto buffer = std::make_shared<DeviceBuffer>(memory_, bytes);
  if (bytes == 0) return buffer;
  if (columns) {
    upload_columns(*buffer, request, extent);
  } else {
    const size_t begin = core::dtype_bytes(tensor.dtype(), share * request.n_begin);
    write_in_parts(*buffer, tensor.bytes().subspan(begin, bytes), tensor.file_backed());
  }
  return buffer;
}

}  // namespace

std::shared_ptr<plan::Backend> create_backend(uint32_t index, const Options& options) {
  return std::make_shared<VulkanBackend>(index, options_from_environment(options));
}

}  // namespace vulcap::vulkan
