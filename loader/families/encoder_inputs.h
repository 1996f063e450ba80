// What an image encoder is fed.
#pragma once

#include <span>
#include <vector>

#include "loader/image/preprocess.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

// f32 numbers as a tensor of f32 or f16.
core::Tensor float_tensor(const std::vector<float>& numbers, core::DType dtype, const core::Shape& shape);

// The pixels of images of one shape, one behind the other, as f32 or f16.
core::Tensor pixel_tensor(std::span<const image::PixelValues> images, core::DType dtype,
                          const core::Shape& shape);

// Images of one shape as the graph's pixel_values takes them, f32 or f16 [images, channels, height, width],
// with frames as part of the first dimension or as the second, or the patches [count, width] of one image
// with image_grid_thw where the processor cuts some; pixel_attention_mask, where the graph takes one, says
// that all pixels count. Throws core::Error(kInvalidModel) for an input that is none of these.
session::NamedTensors encoder_inputs(const graph::Graph& encoder, std::span<const image::PixelValues> images,
                                     const image::PreprocessConfig& preprocess);

}  // namespace vulcap::loader
