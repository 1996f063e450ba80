// From RGB8 to the pixel_values of a model, as the slow (Pillow) image processors of transformers 4.57
// compute them.
//
// Steps, each on or off by the configuration: resize (Pillow, 8 bits), centre crop with zero padding, rescale
// float(double(pixel) * rescale_factor), normalise (value - mean) / std in 32-bit floats.
//
// Processors: ViT, DeiT, Beit, CLIP, Bit, Blip, Siglip, ConvNext, MobileNetV1, MobileNetV2, Pvt, and Idefics3
// and SmolVLM, which make several frames of an image, each as
// "<name>ImageProcessor", "<name>FeatureExtractor" or "<name>ImageProcessorFast"; the fast (torchvision) ones
// are computed as the slow one, with a warning; Qwen2VL, whose pixel values patches.h cuts up. GIT, BLIP-2,
// Florence-2, ResNet and others name one of these.
//
// One deliberate difference: transformers takes an image 1 or 3 pixels high for one with channels first and
// fails or transposes; here it is an image like any other.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "loader/image/image.h"
#include "loader/image/resize.h"

namespace vulcap::image {

// How the size after resizing follows from the image's size.
enum class ResizeRule {
  kNone,          // not resized
  kFixed,         // to target_height x target_width
  kShortestEdge,  // the shorter side to shortest_edge, the longer to int(shortest_edge * long / short)
  kPixelRange,    // both sides multiples of patch_size * merge_size, see smart_resize in patches.h
  kFrames,        // see frames.h
};

// A checked configuration with every default filled in.
struct PreprocessConfig {
  std::string processor;  // name of the slow class whose rules apply
  ResizeRule resize_rule = ResizeRule::kNone;
  int target_height = 0;
  int target_width = 0;
  int shortest_edge = 0;
  std::int64_t min_pixels = 0;  // kPixelRange
  std::int64_t max_pixels = 0;
  int patch_size = 0;  // 0: the processor does not cut patches
  int temporal_patch_size = 0;
  int merge_size = 0;
  int longest_edge = 0;      // kFrames only, like the next two; 0: not resized first
  int frame = 0;             // side of a frame
  bool split_frames = true;  // tiles beside the whole image
  Filter resample = Filter::kBilinear;
  bool do_center_crop = false;
  int crop_height = 0;
  int crop_width = 0;
  bool do_rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool do_normalize = true;
  std::array<double, 3> image_mean{};
  std::array<double, 3> image_std{};
  // Fields that are present and change nothing here, one line each, to be shown to the user.
  std::vector<std::string> warnings;
};

// f32[frames, channels, height, width], row-major.
struct PixelValues {
  std::vector<float> data;
  int channels = 3;
  int height = 0;
  int width = 0;
  int frames = 1;
  // Of the tiles among the frames (see frames.h); 0 where there are none.
  int frame_rows = 0;
  int frame_columns = 0;
};

// Reads the content of preprocessor_config.json. `default_type` counts where the file names no processor.
// Fields that the slow processor of transformers ignores (do_pad of BLIP, say) are ignored with a warning.
// Throws core::Error(kInvalidModel) beginning with file_name: unknown processor, a field of the wrong type, a
// size the processor cannot use, or padding, cropping or another channel order that a fast processor alone
// would honour.
PreprocessConfig parse_preprocess_config(const nlohmann::json& config, std::string_view file_name,
                                         std::string_view default_type = "");

// Throws core::Error(kRuntime) where the image is empty or its shape makes the result too large (see
// resize.h).
PixelValues preprocess(const Image& image, const PreprocessConfig& config);

}  // namespace vulcap::image
