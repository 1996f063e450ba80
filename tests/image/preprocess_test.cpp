#include "loader/image/preprocess.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "loader/image/decode.h"
#include "runtime/core/error.h"
#include "tests/image/support.h"

namespace vulcap::image {
namespace {

using nlohmann::json;
using test::golden;

PreprocessConfig parse(const json& config) {
  return parse_preprocess_config(config, "preprocessor_config.json");
}

std::string parse_error(const json& config) {
  try {
    parse(config);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    EXPECT_TRUE(error.message().starts_with("preprocessor_config.json: ")) << error.message();
    return error.message();
  }
  return "";
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" lacks \"" << part << "\"";
}

json with(json config, const std::string& key, const json& value) {
  config[key] = value;
  return config;
}

const json kVit = {{"image_processor_type", "ViTImageProcessor"}};
const json kClip = {{"image_processor_type", "CLIPImageProcessor"}};

struct Folder {
  std::string name;
  std::size_t files;
};

class GoldenFolder : public testing::TestWithParam<Folder> {};

TEST_P(GoldenFolder, EqualsTransformers) {
  const auto folder = golden("pixel_values/" + GetParam().name);
  const PreprocessConfig config = parse(test::read_json(folder / "preprocessor_config.json"));
  EXPECT_TRUE(config.warnings.empty()) << config.warnings.front();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".npy") continue;
    SCOPED_TRACE(entry.path().filename().string());
    ++files;
    const test::Npy expected = test::read_npy(entry.path());
    const PixelValues values = preprocess(decode_file(golden("images") / entry.path().stem()), config);
    const std::vector<std::size_t> shape = {1, static_cast<std::size_t>(values.channels),
                                            static_cast<std::size_t>(values.height),
                                            static_cast<std::size_t>(values.width)};
    ASSERT_EQ(shape, expected.shape);
    EXPECT_TRUE(values.data == expected.data);
  }
  EXPECT_EQ(files, GetParam().files);
}

INSTANTIATE_TEST_SUITE_P(Preprocess, GoldenFolder,
                         testing::Values(Folder{"vit-gpt2", 17}, Folder{"blip", 17}, Folder{"git", 17},
                                         Folder{"vit-image-classification", 4}, Folder{"clip-zero-shot", 4},
                                         Folder{"siglip-feature-extraction", 4},
                                         Folder{"convnext-image-classification", 4},
                                         Folder{"resnet-image-classification", 4},
                                         Folder{"mobilenet-image-classification", 4}),
                         [](const auto& test_case) {
                           std::string name = test_case.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Preprocess, EqualsTransformersForOtherSettings) {
  const auto cases = test::read_json(golden("images/preprocess.json"));
  ASSERT_GE(cases.size(), 100u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c["image"].get<std::string>() + " " + c["config"].dump());
    const PixelValues values =
        preprocess(decode_file(golden("images/" + c["image"].get<std::string>())), parse(c["config"]));
    std::vector<int> shape{values.frames, values.channels, values.height, values.width};
    if (c["shape"].size() == 3) shape.erase(shape.begin());
    ASSERT_EQ(shape, c["shape"]);
    for (const auto& sample : c["samples"]) {
      EXPECT_EQ(values.data.at(sample[0].get<std::size_t>()), sample[1].get<float>()) << "at " << sample[0];
    }
    EXPECT_EQ(test::crc32(std::as_bytes(std::span(values.data))), c["crc32"]);
  }
}

TEST(Preprocess, FramesAreTilesRowByRowAndTheWhole) {
  const json config = {{"image_processor_type", "SmolVLMImageProcessor"},
                       {"size", {{"longest_edge", 60}}},
                       {"max_image_size", {{"longest_edge", 20}}},
                       {"video_sampling", {{"fps", 1}}}};
  EXPECT_TRUE(parse(config).warnings.empty());
  const Image wide{90, 31, std::vector<std::uint8_t>(90 * 31 * 3, 100)};
  const PixelValues values = preprocess(wide, parse(config));
  EXPECT_EQ(values.frame_rows, 1);
  EXPECT_EQ(values.frame_columns, 3);
  EXPECT_EQ(values.frames, 4);
  const PixelValues whole = preprocess(wide, parse(with(config, "do_image_splitting", false)));
  EXPECT_EQ(whole.frame_rows, 0);
  EXPECT_EQ(whole.frames, 1);
  expect_contains(parse_error(with(config, "size", 60)), "{\"longest_edge\": n}");
  expect_contains(parse_error(with(config, "max_image_size", {{"longest_edge", 0}})), "max_image_size");
  expect_contains(parse_error(with(config, "do_image_splitting", 1)), "do_image_splitting");
}

TEST(Preprocess, OlderAndFasterNamesAreTheSameProcessor) {
  const auto older = parse({{"feature_extractor_type", "ViTFeatureExtractor"}, {"size", 224}});
  EXPECT_EQ(older.processor, "ViTImageProcessor");
  EXPECT_EQ(older.target_width, 224);
  EXPECT_TRUE(older.warnings.empty());
  const auto fast = parse({{"image_processor_type", "CLIPImageProcessorFast"}, {"do_center_crop", nullptr}});
  EXPECT_EQ(fast.processor, "CLIPImageProcessor");
  EXPECT_TRUE(fast.do_center_crop);
  ASSERT_EQ(fast.warnings.size(), 1u);
  expect_contains(fast.warnings[0], "CLIPImageProcessorFast is computed as CLIPImageProcessor");
  EXPECT_EQ(parse_preprocess_config(json::object(), "x", "BlipImageProcessor").target_width, 384);
}

TEST(Preprocess, ReportsFieldsThatChangeNothing) {
  const auto config =
      parse(with(with(kClip, "size", {{"shortest_edge", 30}, {"longest_edge", 50}}), "sharpness", 3));
  ASSERT_EQ(config.warnings.size(), 2u);
  expect_contains(config.warnings[0], "longest_edge");
  expect_contains(config.warnings[1], "sharpness");
  EXPECT_EQ(parse(with(kVit, "do_center_crop", true)).warnings.size(), 1u);
  EXPECT_EQ(parse(with(kVit, "do_convert_rgb", false)).warnings.size(), 1u);
  EXPECT_EQ(parse(with(kVit, "do_pad", true)).warnings.size(), 1u);
  EXPECT_EQ(parse(with(kVit, "data_format", "channels_last")).warnings.size(), 1u);
  EXPECT_TRUE(parse(with(kVit, "do_pad", false)).warnings.empty());
  EXPECT_TRUE(parse(with(kVit, "crop_size", nullptr)).warnings.empty());
}

TEST(Preprocess, RefusesWhatItCannotHonour) {
  expect_contains(parse_error({{"image_processor_type", "DonutImageProcessor"}}),
                  "supported are ViTImageProcessor");
  expect_contains(parse_error({{"image_processor_type", "ViT"}}), "not supported");
  expect_contains(parse_error({{"image_processor_type", 7}}), "must be a string");
  expect_contains(parse_error(json::object()), "image_processor_type");
  expect_contains(parse_error(json::array()), "JSON object");
  const json fast = {{"image_processor_type", "ViTImageProcessorFast"}};
  expect_contains(parse_error(with(fast, "do_pad", true)), "do_pad");
  expect_contains(parse_error(with(fast, "do_center_crop", true)), "do_center_crop");
  expect_contains(parse_error(with(fast, "data_format", "channels_last")), "data_format");
  expect_contains(parse_error(with(kVit, "size", {{"shortest_edge", 224}})), "height");
  expect_contains(parse_error(with(kClip, "size", {{"longest_edge", 224}})), "shortest_edge");
  expect_contains(parse_error(with(kClip, "size", {{"height", 3}})), "size");
  expect_contains(parse_error(with(kVit, "size", 0)), "size");
  expect_contains(parse_error(with(kVit, "size", -4)), "size");
  expect_contains(parse_error(with(kVit, "size", 1e9)), "size");
  expect_contains(parse_error(with(kVit, "size", "224")), "size");
  expect_contains(parse_error(with(kClip, "crop_size", {{"shortest_edge", 4}})), "crop_size");
  expect_contains(parse_error(with(kVit, "resample", 6)), "resample");
  expect_contains(parse_error(with(kVit, "resample", nullptr)), "resample");
  expect_contains(parse_error(with(kVit, "do_resize", "yes")), "do_resize");
  expect_contains(parse_error(with(kVit, "rescale_factor", nullptr)), "rescale_factor");
  expect_contains(parse_error(with(kVit, "rescale_factor", "x")), "rescale_factor");
  expect_contains(parse_error(with(kVit, "image_mean", {0.5, 0.5})), "image_mean");
  expect_contains(parse_error(with(kVit, "image_std", {0.5, 0.0, 0.5})), "image_std");
  const json convnext = {{"image_processor_type", "ConvNextImageProcessor"}, {"size", 100}};
  expect_contains(parse_error(with(convnext, "crop_pct", 0.0)), "crop_pct");
  expect_contains(parse_error(with(convnext, "crop_pct", 1e-9)), "crop_pct");
  expect_contains(parse_error(with(convnext, "size", {{"height", 3}, {"width", 3}})), "shortest_edge");
}

// Whatever a field holds: a configuration that works, or an error.
TEST(Preprocess, SurvivesOddValues) {
  const json values[] = {nullptr,
                         true,
                         -1,
                         0,
                         1,
                         31,
                         1e300,
                         1e-300,
                         "text",
                         json::array(),
                         {1, 2},
                         {1, 2, 3},
                         {{"height", 9}, {"width", "9"}},
                         {{"shortest_edge", nullptr}},
                         json::object(),
                         18446744073709551615u,
                         std::string(5000, 'x')};
  const Image image{9, 7, std::vector<std::uint8_t>(9 * 7 * 3, 100)};
  int accepted = 0;
  for (const std::string type : {"ViT", "CLIP", "ConvNext", "DeiT"}) {
    for (const std::string key :
         {"do_resize", "size", "resample", "crop_size", "crop_pct", "rescale_factor", "do_pad", "image_mean",
          "image_std", "do_center_crop", "use_square_size", "auto_map"}) {
      for (const json& value : values) {
        try {
          const auto config = parse({{"image_processor_type", type + "ImageProcessor"}, {key, value}});
          EXPECT_FALSE(preprocess(image, config).data.empty());
          ++accepted;
        } catch (const core::Error& error) {
          EXPECT_LT(error.message().size(), 400u);
        }
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(Preprocess, HandlesExtremeShapes) {
  const Image line{20000, 1, std::vector<std::uint8_t>(60000, 255)};
  const PixelValues values = preprocess(line, parse(kClip));
  EXPECT_EQ(values.data.size(), 3u * 224 * 224);
  EXPECT_THROW(preprocess(line, parse(with(kClip, "do_center_crop", false))), core::Error);
  EXPECT_THROW(preprocess(Image{}, parse(kVit)), core::Error);
  const Image dot{1, 1, {1, 2, 3}};
  EXPECT_EQ(preprocess(dot, parse(kVit)).data.size(), 3u * 224 * 224);
}

}  // namespace
}  // namespace vulcap::image
