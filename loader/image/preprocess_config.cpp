#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "loader/image/preprocess.h"
#include "loader/image/value_table.h"
#include "runtime/core/error.h"

namespace vulcap::image {
namespace {

using nlohmann::json;

constexpr int kMaxSide = 32768;
constexpr int kMaxPatch = 1024;
// From this size on ConvNext resizes to a square instead of cropping.
constexpr int kConvNextSquareFrom = 384;
constexpr int kIdefics3Frame = 364;

constexpr std::array<double, 3> kHalf3 = {0.5, 0.5, 0.5};
constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};
constexpr std::array<double, 3> kImagenetMean = {0.485, 0.456, 0.406};
constexpr std::array<double, 3> kImagenetStd = {0.229, 0.224, 0.225};

enum class SizeStyle {
  kSquare,        // height and width; a single number is a square
  kShortestEdge,  // shortest edge, or height and width; a single number is the shortest edge
  kConvNext,      // shortest edge only, with crop_pct
  kPixelRange,    // shortest_edge and longest_edge are numbers of pixels; min_pixels and max_pixels override
  kFrames,        // longest edge, with max_image_size
};

// Defaults of a slow processor class.
struct Processor {
  std::string_view stem;
  SizeStyle style;
  int size;
  int crop;  // 0: the class has no centre crop
  Filter resample;
  const std::array<double, 3>& mean;
  const std::array<double, 3>& deviation;
};

constexpr Processor kProcessors[] = {
    {"ViT", SizeStyle::kSquare, 224, 0, Filter::kBilinear, kHalf3, kHalf3},
    {"DeiT", SizeStyle::kSquare, 256, 224, Filter::kBicubic, kHalf3, kHalf3},
    {"Beit", SizeStyle::kSquare, 256, 224, Filter::kBicubic, kHalf3, kHalf3},
    {"CLIP", SizeStyle::kShortestEdge, 224, 224, Filter::kBicubic, kClipMean, kClipStd},
    {"Bit", SizeStyle::kShortestEdge, 224, 224, Filter::kBicubic, kClipMean, kClipStd},
    {"Blip", SizeStyle::kSquare, 384, 0, Filter::kBicubic, kClipMean, kClipStd},
    {"Siglip", SizeStyle::kSquare, 224, 0, Filter::kBicubic, kHalf3, kHalf3},
    {"ConvNext", SizeStyle::kConvNext, 384, 0, Filter::kBilinear, kHalf3, kHalf3},
    {"MobileNetV1", SizeStyle::kShortestEdge, 256, 224, Filter::kBilinear, kHalf3, kHalf3},
    {"MobileNetV2", SizeStyle::kShortestEdge, 256, 224, Filter::kBilinear, kHalf3, kHalf3},
    {"Pvt", SizeStyle::kSquare, 224, 0, Filter::kBilinear, kImagenetMean, kImagenetStd},
    {"Qwen2VL", SizeStyle::kPixelRange, 0, 0, Filter::kBicubic, kClipMean, kClipStd},
    {"Idefics3", SizeStyle::kFrames, 4 * kIdefics3Frame, 0, Filter::kLanczos, kHalf3, kHalf3},
    {"SmolVLM", SizeStyle::kFrames, 4 * kIdefics3Frame, 0, Filter::kLanczos, kHalf3, kHalf3},
};

// Of Qwen2VLImageProcessor.
constexpr std::int64_t kQwenMinPixels = 56 * 56;
constexpr std::int64_t kQwenMaxPixels = 28 * 28 * 1280;
constexpr std::string_view kPatchFields[] = {"min_pixels", "max_pixels", "patch_size", "temporal_patch_size",
                                             "merge_size"};

// Fields that never change pixel_values of a decoded image.
constexpr std::string_view kNeutralFields[] = {"image_processor_type",
                                               "feature_extractor_type",
                                               "processor_class",
                                               "_processor_class",
                                               "auto_map",
                                               "_valid_processor_keys",
                                               "image_seq_length",
                                               "image_seq_len",
                                               "num_image_tokens",
                                               "return_tensors",
                                               "input_data_format",
                                               "device",
                                               "disable_grouping",
                                               "default_to_square",
                                               "do_reduce_labels",
                                               "reduce_labels",
                                               "transformers_version",
                                               "_name_or_path",
                                               "pad_size",
                                               "size_divisor",
                                               "size_divisibility",
                                               "task_prompts_without_inputs",
                                               "task_prompts_with_input",
                                               "tasks_answer_post_processing_type"};

constexpr std::string_view kReadFields[] = {"do_resize",      "size",           "resample",   "do_rescale",
                                            "rescale_factor", "do_normalize",   "image_mean", "image_std",
                                            "do_convert_rgb", "do_center_crop", "crop_size",  "data_format"};

// Frames are of one size and this is no video.
constexpr std::string_view kFrameFields[] = {"max_image_size", "do_image_splitting", "do_pad",
                                             "video_sampling"};

std::string show(const json& value) {
  constexpr std::size_t kLongest = 80;
  const std::string text = value.dump(-1, ' ', true);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

template <typename List>
bool contains(const List& list, std::string_view value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

struct SizeField {
  std::optional<int> single;
  std::optional<int> height;
  std::optional<int> width;
  std::optional<int> shortest_edge;
};

class ConfigReader {
 public:
  ConfigReader(const json& config, std::string_view file_name) : config_(config), file_name_(file_name) {}

  PreprocessConfig read(std::string_view default_type) {
    if (!config_.is_object()) fail("expected a JSON object with the settings of an image processor");
    find_processor(default_type);
    read_resize();
    read_crop();
    read_values();
    report_other_fields();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw core::Error(core::ErrorCode::kInvalidModel, std::string(file_name_) + ": " + what);
  }

  void warn(const std::string& what) { result_.warnings.push_back(std::string(file_name_) + ": " + what); }

  const json* find(const char* key) const {
    const auto found = config_.find(key);
    return found == config_.end() ? nullptr : &*found;
  }

  const json* find_set(const char* key) const {
    const json* value = find(key);
    return value && !value->is_null() ? value : nullptr;
  }

  void find_processor(std::string_view default_type) {
    std::string type(default_type);
    for (const char* key : {"feature_extractor_type", "image_processor_type"}) {
      const json* value = find_set(key);
      if (!value) continue;
      if (!value->is_string()) fail(std::string("\"") + key + "\" must be a string");
      type = value->get<std::string>();
    }
    if (type.empty()) fail("no \"image_processor_type\"; supported are " + supported());
    std::string_view stem = type;
    for (const std::string_view suffix : {"ImageProcessorFast", "ImageProcessor", "FeatureExtractor"}) {
      if (!stem.ends_with(suffix)) continue;
      stem.remove_suffix(suffix.size());
      is_fast_ = suffix.ends_with("Fast");
      break;
    }
    for (const Processor& p : kProcessors) {
      if (p.stem == stem && stem.size() != type.size()) processor_ = &p;
    }
    if (!processor_) fail("image processor \"" + type + "\" is not supported; supported are " + supported());
    result_.processor = std::string(stem) + "ImageProcessor";
    if (is_fast_) warn(type + " is computed as " + result_.processor + " (Pillow instead of torchvision)");
  }

  static std::string supported() {
    std::string names;
    for (const Processor& p : kProcessors) {
      names += (names.empty() ? "" : ", ") + std::string(p.stem) + "ImageProcessor";
    }
    return names;
  }

  // An explicit null switches a step off in slow processors and means the default in fast ones.
  bool read_bool(const char* key, bool default_value) const {
    const json* value = find(key);
    if (!value) return default_value;
    if (value->is_null()) return is_fast_ && default_value;
    if (!value->is_boolean()) fail(std::string("\"") + key + "\" must be true or false, not " + show(*value));
    return value->get<bool>();
  }

  int read_side(const json& value, const std::string& key) const {
    if (value.is_number_integer() && value >= 1 && value <= kMaxSide) return value.get<int>();
    fail("\"" + key + "\" must be a whole number from 1 to " + std::to_string(kMaxSide) + ", not " +
         show(value));
  }

  std::array<double, 3> read_triple(const char* key, const std::array<double, 3>& default_value) const {
    const json* value = find_set(key);
    if (!value) return default_value;
    if (value->is_number()) return {value->get<double>(), value->get<double>(), value->get<double>()};
    const auto is_number = [](const json& element) { return element.is_number(); };
    if (!value->is_array() || value->size() != 3 || !std::all_of(value->begin(), value->end(), is_number)) {
      fail(std::string("\"") + key + "\" must be a number or a list of 3 numbers, not " + show(*value));
    }
    return value->get<std::array<double, 3>>();
  }

  // The sets of keys that transformers' get_size_dict accepts, as far as any processor here can use them.
  SizeField read_size_field(const char* key) {
    const json& value = *find_set(key);
    const std::string name = key;
    SizeField size;
    if (value.is_array() && value.size() == 2) {
      size.height = read_side(value[0], name);
      size.width = read_side(value[1], name);
    } else if (!value.is_object()) {
      size.single = read_side(value, name);
    } else if (value.size() == 2 && value.contains("height") && value.contains("width")) {
      size.height = read_side(value["height"], name + ".height");
      size.width = read_side(value["width"], name + ".width");
    } else if (value.contains("shortest_edge") &&
               value.size() == (value.contains("longest_edge") ? 2u : 1u)) {
      size.shortest_edge = read_side(value["shortest_edge"], name + ".shortest_edge");
      if (value.contains("longest_edge"))
        warn("\"" + name + ".longest_edge\" is not used by " + result_.processor);
    } else {
      fail_size(name, value);
    }
    return size;
  }

  [[noreturn]] void fail_size(const std::string& key, const json& value) const {
    fail("\"" + key + "\" of " + show(value) + " cannot be used by " + result_.processor +
         (key == "size" && processor_->style != SizeStyle::kSquare ? "; use {\"shortest_edge\": n}"
                                                                   : "; use {\"height\": h, \"width\": w}"));
  }

  void set_fixed(int height, int width) {
    result_.resize_rule = ResizeRule::kFixed;
    result_.target_height = height;
    result_.target_width = width;
  }

  void set_shortest_edge(int edge) {
    result_.resize_rule = ResizeRule::kShortestEdge;
    result_.shortest_edge = edge;
  }

  int read_longest_edge(const char* key, int default_value) {
    const json* value = find_set(key);
    if (!value) return default_value;
    if (!value->is_object() || value->size() != 1 || !value->contains("longest_edge")) {
      fail(std::string("\"") + key + "\" of " + show(*value) + " cannot be used by " + result_.processor +
           "; use {\"longest_edge\": n}");
    }
    return read_side((*value)["longest_edge"], std::string(key) + ".longest_edge");
  }

  void read_frames() {
    result_.resize_rule = ResizeRule::kFrames;
    const int edge = read_longest_edge("size", processor_->size);
    if (read_bool("do_resize", true)) result_.longest_edge = edge;
    result_.frame = read_longest_edge("max_image_size", kIdefics3Frame);
    result_.split_frames = read_bool("do_image_splitting", true);
    result_.resample = processor_->resample;
    read_resample();
  }

  void read_resize() {
    if (processor_->style == SizeStyle::kPixelRange) return read_pixel_range();
    if (processor_->style == SizeStyle::kFrames) return read_frames();
    SizeField size;
    size.single = processor_->size;
    if (find_set("size")) size = read_size_field("size");
    result_.resample = processor_->resample;
    if (!read_bool("do_resize", true)) return;
    read_resample();
    if (processor_->style == SizeStyle::kConvNext) {
      set_convnext_size(size);
    } else if (size.height) {
      set_fixed(*size.height, *size.width);
    } else if (processor_->style == SizeStyle::kSquare && size.single) {
      set_fixed(*size.single, *size.single);
    } else if (processor_->style == SizeStyle::kShortestEdge) {
      set_by_edge(size.shortest_edge ? *size.shortest_edge : *size.single);
    } else {
      fail_size("size", config_["size"]);
    }
  }

  std::int64_t read_count(const json& value, const std::string& key) const {
    if (value.is_number_integer() && value >= 1 && value <= kMaxPixels) return value.get<std::int64_t>();
    fail("\"" + key + "\" must be a whole number from 1 to " + std::to_string(kMaxPixels) + ", not " +
         show(value));
  }

  template <typename T>
  void read_count_field(const char* key, T& out) const {
    if (const json* value = find_set(key)) out = static_cast<T>(read_count(*value, key));
  }

  // transformers forces the fast class for Qwen2-VL, which honours "size".
  void read_pixel_range() {
    result_.min_pixels = kQwenMinPixels;
    result_.max_pixels = kQwenMaxPixels;
    if (const json* size = find_set("size")) {
      if (!size->is_object() || !size->contains("shortest_edge") || !size->contains("longest_edge")) {
        fail("\"size\" of " + show(*size) + " cannot be used by " + result_.processor +
             "; use {\"shortest_edge\": pixels, \"longest_edge\": pixels}");
      }
      result_.min_pixels = read_count((*size)["shortest_edge"], "size.shortest_edge");
      result_.max_pixels = read_count((*size)["longest_edge"], "size.longest_edge");
    }
    read_count_field("min_pixels", result_.min_pixels);
    read_count_field("max_pixels", result_.max_pixels);
    result_.patch_size = 14;
    result_.temporal_patch_size = result_.merge_size = 2;
    read_patch_sizes();
    result_.resample = processor_->resample;
    if (!read_bool("do_resize", true)) return;
    read_resample();
    result_.resize_rule = ResizeRule::kPixelRange;
    if (result_.min_pixels > result_.max_pixels) {
      fail("\"min_pixels\" of " + std::to_string(result_.min_pixels) + " is above \"max_pixels\" of " +
           std::to_string(result_.max_pixels));
    }
  }

  void read_patch_sizes() {
    for (const auto& [key, size] : {std::pair("patch_size", &result_.patch_size),
                                    std::pair("temporal_patch_size", &result_.temporal_patch_size),
                                    std::pair("merge_size", &result_.merge_size)}) {
      if (const json* value = find_set(key)) *size = read_side(*value, key);
      if (*size > kMaxPatch)
        fail("\"" + std::string(key) + "\" of " + std::to_string(*size) + " is too large");
    }
  }

  void set_by_edge(int edge) {
    if (read_bool("use_square_size", false)) {
      set_fixed(edge, edge);
    } else {
      set_shortest_edge(edge);
    }
  }

  void set_convnext_size(const SizeField& size) {
    if (size.height) fail_size("size", config_["size"]);
    const int edge = size.shortest_edge ? *size.shortest_edge : *size.single;
    const double crop_pct = read_number("crop_pct", 224.0 / 256.0);
    if (edge >= kConvNextSquareFrom) return set_fixed(edge, edge);
    if (!(crop_pct > 0.0) || edge / crop_pct < 1.0 || edge / crop_pct > kMaxSide) {
      fail("\"crop_pct\" of " + std::to_string(crop_pct) + " is out of range; it is usually 0.875");
    }
    set_shortest_edge(static_cast<int>(edge / crop_pct));
    result_.do_center_crop = true;
    result_.crop_height = result_.crop_width = edge;
  }

  double read_number(const char* key, double default_value) const {
    const json* value = find_set(key);
    if (!value) return default_value;
    if (!value->is_number()) fail(std::string("\"") + key + "\" must be a number, not " + show(*value));
    return value->get<double>();
  }

  void read_resample() {
    const json* value = find("resample");
    if (!value || (value->is_null() && is_fast_)) return;
    if (!value->is_number_integer() || *value < 0 || *value > 5) {
      fail("\"resample\" must be a Pillow filter from 0 (nearest) to 5 (hamming), not " + show(*value));
    }
    result_.resample = static_cast<Filter>(value->get<int>());
  }

  void read_crop() {
    if (processor_->crop == 0) {
      if (read_bool("do_center_crop", false)) report_unused("do_center_crop", true);
      return;
    }
    if (!read_bool("do_center_crop", true)) return;
    result_.do_center_crop = true;
    result_.crop_height = result_.crop_width = processor_->crop;
    if (!find_set("crop_size")) return;
    const SizeField size = read_size_field("crop_size");
    if (size.shortest_edge) fail_size("crop_size", config_["crop_size"]);
    result_.crop_height = size.height ? *size.height : *size.single;
    result_.crop_width = size.width ? *size.width : *size.single;
  }

  void read_values() {
    result_.do_rescale = read_bool("do_rescale", true);
    result_.do_normalize = read_bool("do_normalize", true);
    if (result_.do_rescale && !is_fast_ && find("rescale_factor") && !find_set("rescale_factor")) {
      fail("\"rescale_factor\" is null while \"do_rescale\" is true");
    }
    result_.rescale_factor = read_number("rescale_factor", 1.0 / 255.0);
    result_.image_mean = read_triple("image_mean", processor_->mean);
    result_.image_std = read_triple("image_std", processor_->deviation);
    for (const auto& channel : make_value_table(result_)) {
      if (std::all_of(channel.begin(), channel.end(), [](float v) { return std::isfinite(v); })) continue;
      fail(
          "\"rescale_factor\", \"image_mean\" and \"image_std\" lead to infinite values; image_std must not "
          "be 0");
    }
  }

  bool is_known(const std::string& key) const {
    if (contains(kNeutralFields, key) || contains(kReadFields, key)) return true;
    if (processor_->style == SizeStyle::kPixelRange && contains(kPatchFields, key)) return true;
    if (processor_->style == SizeStyle::kFrames && contains(kFrameFields, key)) return true;
    if (key == "crop_pct") return processor_->style == SizeStyle::kConvNext;
    return key == "use_square_size" && processor_->stem == "CLIP";
  }

  // Slow processors of transformers keep fields they do not know and never look at them; fast ones pad, crop
  // and reorder whatever the class, which nothing here does.
  void report_other_fields() {
    const json* convert = find_set("do_convert_rgb");
    if (convert && *convert == false)
      warn("\"do_convert_rgb\": false is not used, images are always read as RGB");
    const json* format = find_set("data_format");
    if (format && *format != "channels_first") report_unused("data_format", *format);
    for (const auto& [key, value] : config_.items()) {
      const bool is_off = value.is_null() || value == false;
      if (!is_off && !is_known(key)) report_unused(key, value);
    }
  }

  void report_unused(const std::string& key, const json& value) {
    const bool matters = key == "do_pad" || key == "do_center_crop" || key == "data_format";
    if (is_fast_ && matters) {
      fail("\"" + key + "\": " + show(value) + " is not supported for " + result_.processor +
           "Fast; use the slow " + result_.processor + " or remove the field");
    }
    warn("\"" + key + "\" is not used by " + result_.processor);
  }

  const json& config_;
  std::string_view file_name_;
  const Processor* processor_ = nullptr;
  bool is_fast_ = false;
  PreprocessConfig result_;
};

}  // namespace

PreprocessConfig parse_preprocess_config(const json& config, std::string_view file_name,
                                         std::string_view default_type) {
  return ConfigReader(config, file_name).read(default_type);
}

}  // namespace vulcap::image
