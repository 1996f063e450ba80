#include "loader/image/patches.h"

#include <gtest/gtest.h>

#include <numeric>

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

TEST(Patches, EqualTransformers) {
  const json cases = test::read_json(golden("pixel_values/patches.json"))["cases"];
  for (const json& item : cases) {
    SCOPED_TRACE(item["image"].dump());
    const PreprocessConfig config = parse(item["config"]);
    const Image image = decode_file(golden("images/" + item["image"].get<std::string>()));
    const Patches patches = to_patches(preprocess(image, config), config);
    EXPECT_EQ(item["grid"], json({patches.grid_t, patches.grid_h, patches.grid_w}));
    ASSERT_EQ(item["shape"], json({patches.count(), patches.width}));
    ASSERT_EQ(patches.data.size(), size_t(patches.count() * patches.width));
    EXPECT_NEAR(std::accumulate(patches.data.begin(), patches.data.end(), 0.0), item["sum"].get<double>(),
                1e-4 * double(patches.data.size()));
    for (const json& sample : item["samples"]) {
      ASSERT_EQ(patches.data[sample[0].get<size_t>()], sample[1].get<float>()) << sample[0];
    }
  }
}

TEST(Patches, SmartResizeEqualsTransformers) {
  PreprocessConfig config;
  config.patch_size = 14;
  config.merge_size = 2;
  for (const json& row : test::read_json(golden("pixel_values/patches.json"))["smart_resize"]) {
    config.min_pixels = row[2];
    config.max_pixels = row[3];
    const Size size = smart_resize(row[0], row[1], config);
    EXPECT_EQ(json({size.width, size.height}), json({row[4], row[5]})) << row;
  }
}

std::string error_of(const std::function<void()>& action, core::ErrorCode code) {
  try {
    action();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), code) << error.message();
    return error.message();
  }
  return "";
}

TEST(Patches, RefusesWhatCannotBeCut) {
  const json qwen = {{"image_processor_type", "Qwen2VLImageProcessor"}};
  const PreprocessConfig config = parse(qwen);
  const Image strip{1000, 2, std::vector<uint8_t>(6000)};
  EXPECT_NE(error_of([&] { preprocess(strip, config); }, core::ErrorCode::kRuntime).find("200 times"),
            std::string::npos);
  json unresized = qwen;
  unresized["do_resize"] = false;
  const PreprocessConfig as_is = parse(unresized);
  const Image odd{30, 28, std::vector<uint8_t>(30 * 28 * 3)};
  EXPECT_NE(error_of([&] { to_patches(preprocess(odd, as_is), as_is); }, core::ErrorCode::kRuntime)
                .find("no multiple"),
            std::string::npos);
}

TEST(Patches, SettingsAreChecked) {
  const json qwen = {{"image_processor_type", "Qwen2VLImageProcessor"}};
  const std::pair<json, std::string> rows[] = {
      {{{"patch_size", 0}}, "patch_size"},
      {{{"merge_size", 100000}}, "merge_size"},
      {{{"min_pixels", "many"}}, "min_pixels"},
      {{{"min_pixels", 5000}, {"max_pixels", 400}}, "above"},
      {{{"size", {{"height", 3}, {"width", 3}}}}, "longest_edge"},
  };
  for (const auto& [fields, part] : rows) {
    json config = qwen;
    config.update(fields);
    const std::string message = error_of([&] { parse(config); }, core::ErrorCode::kInvalidModel);
    EXPECT_TRUE(message.starts_with("preprocessor_config.json: ")) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  json sized = qwen;
  sized["size"] = {{"shortest_edge", 784}, {"longest_edge", 7840}};
  EXPECT_EQ(parse(sized).max_pixels, 7840);
  sized["max_pixels"] = 1568;
  EXPECT_EQ(parse(sized).max_pixels, 1568);
}

}  // namespace
}  // namespace vulcap::image
