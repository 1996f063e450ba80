#include "loader/families/encoder_inputs.h"

#include <algorithm>
#include <string>

#include "loader/generation/token_embeddings.h"
#include "loader/image/patches.h"
#include "runtime/core/error.h"

namespace vulcap::loader {

core::Tensor float_tensor(const std::vector<float>& numbers, core::DType dtype, const core::Shape& shape) {
  core::Tensor tensor(core::DType::kF32, shape);
  std::copy(numbers.begin(), numbers.end(), tensor.mutable_as<float>().begin());
  return as_float(tensor, dtype);
}

namespace {

using Images = std::span<const image::PixelValues>;

core::Shape pixel_shape(const graph::Value& input, Images images) {
  const image::PixelValues& one = images.front();
  const auto count = int64_t(images.size());
  if (input.shape && input.shape->size() == 5)
    return {count, one.frames, one.channels, one.height, one.width};
  return {count * one.frames, one.channels, one.height, one.width};
}

// true or 1 for every pixel.
core::Tensor pixel_mask(const graph::Value& input, Images images) {
  const core::Shape shape{int64_t(images.size()), images[0].frames, images[0].height, images[0].width};
  const size_t count = core::element_count(shape);
  if (input.dtype == core::DType::kI64)
    return core::Tensor::from(input.dtype, shape, std::vector<int64_t>(count, 1));
  if (input.dtype == core::DType::kBool)
    return core::Tensor::from(input.dtype, shape, std::vector<uint8_t>(count, 1));
  throw core::Error(core::ErrorCode::kInvalidModel, "the image encoder's '" + input.name + "' is " +
                                                        std::string(core::dtype_name(input.dtype)) +
                                                        ", not bool or int64");
}

}  // namespace

core::Tensor pixel_tensor(Images images, core::DType dtype, const core::Shape& shape) {
  if (images.size() == 1) return float_tensor(images[0].data, dtype, shape);
  std::vector<float> all;
  for (const image::PixelValues& one : images) all.insert(all.end(), one.data.begin(), one.data.end());
  return float_tensor(all, dtype, shape);
}

session::NamedTensors encoder_inputs(const graph::Graph& encoder, Images images,
                                     const image::PreprocessConfig& preprocess) {
  const bool cuts = preprocess.patch_size > 0;
  if (cuts && images.size() > 1)
    throw core::Error(core::ErrorCode::kInvalidModel, "an encoder of patches takes one image at a time");
  const image::Patches patches = cuts ? image::to_patches(images[0], preprocess) : image::Patches{};
  session::NamedTensors inputs;
  for (graph::ValueId id : encoder.inputs) {
    const graph::Value& input = encoder.value(id);
    if (input.name == "pixel_values" && cuts) {
      inputs[input.name] = float_tensor(patches.data, input.dtype, {patches.count(), patches.width});
    } else if (input.name == "pixel_values") {
      inputs[input.name] = pixel_tensor(images, input.dtype, pixel_shape(input, images));
    } else if (input.name == "pixel_attention_mask") {
      inputs[input.name] = pixel_mask(input, images);
    } else if ((input.name == "image_grid_thw" || input.name == "grid_thw") && cuts) {
      inputs[input.name] = core::Tensor::from<int64_t>(core::DType::kI64, {1, 3},
                                                       {patches.grid_t, patches.grid_h, patches.grid_w});
    } else {
      throw core::Error(core::ErrorCode::kInvalidModel,
                        "the image encoder's input '" + input.name + "' has no known role");
    }
  }
  return inputs;
}

}  // namespace vulcap::loader
