// What an image encoder is fed.
#pragma once

#include <vector>

#include "loader/image/preprocess.h"
#include "runtime/session/session.h"

namespace vulcap::loader {

// f32 numbers as a tensor of f32 or f16.
core::Tensor float_tensor(const std::vector<float>& numbers, core::DType dtype, const core::Shape& shape);

// Pixels as the graph's pixel_values takes them, f32 or f16 [1, channels, height, width], with frames as the
// first or the second dimension, or patches [count, width] with image_grid_thw where the processor cuts some;
// pixel_attention_mask, where the graph takes one, says that all pixels count. Throws
// core::Error(kInvalidModel) for an input that is none of these.
session::NamedTensors encoder_inputs(const graph::Graph& encoder, const image::PixelValues& pixels,
                                     const image::PreprocessConfig& preprocess);

}  // namespace vulcap::loader
