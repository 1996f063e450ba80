// Regions drawn over images: where colour lands, and that odd regions harm nothing.
#include "loader/grounding/overlay.h"

#include <gtest/gtest.h>

#include "loader/image/decode.h"
#include "runtime/core/error.h"

namespace vulcap::grounding {
namespace {

using Kind = Region::Kind;
constexpr uint8_t kGrey = 128;

image::Image grey(int width, int height) {
  return {width, height, std::vector<uint8_t>(size_t(width) * size_t(height) * 3, kGrey)};
}

image::Image drawn(const image::Image& image, const std::vector<Region>& regions) {
  return image::decode_bytes(draw_overlay(image, regions), "overlay");
}

bool is_grey(const image::Image& image, int x, int y) {
  const uint8_t* rgb = &image.rgb[(size_t(y) * size_t(image.width) + size_t(x)) * 3];
  return rgb[0] == kGrey && rgb[1] == kGrey && rgb[2] == kGrey;
}

std::vector<int> colour_at(const image::Image& image, int x, int y) {
  const uint8_t* rgb = &image.rgb[(size_t(y) * size_t(image.width) + size_t(x)) * 3];
  return {rgb[0], rgb[1], rgb[2]};
}

TEST(Overlay, WithoutRegionsTheImageComesBack) {
  const image::Image image = image::decode_file(VULCAP_TEST_DATA "/images/scene_320x320.png");
  EXPECT_EQ(drawn(image, {}).rgb, image.rgb);
}

TEST(Overlay, ABoxIsItsEdgesAndLightInside) {
  const image::Image image = drawn(grey(200, 100), {{Kind::kBox, "", {{20, 30, 120, 80}}}});
  EXPECT_FALSE(is_grey(image, 20, 50));
  EXPECT_FALSE(is_grey(image, 120, 50));
  EXPECT_FALSE(is_grey(image, 70, 30));
  EXPECT_FALSE(is_grey(image, 70, 80));
  EXPECT_TRUE(is_grey(image, 10, 50));
  EXPECT_TRUE(is_grey(image, 130, 50));
  EXPECT_NEAR(colour_at(image, 70, 55)[0], kGrey, 32);
}

TEST(Overlay, OneColourALabel) {
  const image::Image image = drawn(grey(400, 100), {{Kind::kBox, "a", {{10, 40, 60, 90}}},
                                                    {Kind::kBox, "b", {{110, 40, 160, 90}}},
                                                    {Kind::kBox, "a", {{210, 40, 260, 90}}}});
  EXPECT_EQ(colour_at(image, 10, 70), colour_at(image, 210, 70));
  EXPECT_NE(colour_at(image, 10, 70), colour_at(image, 110, 70));
}

TEST(Overlay, LabelsStandAboveTheirRegion) {
  const image::Image image =
      drawn(grey(200, 100), {{Kind::kQuad, "stop", {{20, 50, 120, 50, 120, 90, 20, 90}}}});
  EXPECT_FALSE(is_grey(image, 24, 42));
  EXPECT_TRUE(is_grey(image, 100, 20));
}

TEST(Overlay, RegionsBeyondTheImageAreKeptInside) {
  const std::vector<Region> odd = {
      {Kind::kBox, "a label far too long for the image that it belongs to", {{-500, -500, 100000, 100000}}},
      {Kind::kPolygons,
       "é 名札 \n\x01 \xff",
       {{5, 5}, {}, {1, 2, 3, 4, 50, 60}, {1'000'000'000, 1'000'000'000, 0, 0}}},
      {Kind::kPolygons, "empty", {}},
      {Kind::kQuad, "", {{0, 0, 0, 0, 0, 0, 0, 0}}},
      {Kind::kBox, "corner", {{319, 319, 319, 319}}}};
  for (const auto& [width, height] :
       std::vector<std::pair<int, int>>{{1, 1}, {3, 200}, {320, 320}, {900, 5}}) {
    const image::Image image = drawn(grey(width, height), odd);
    EXPECT_EQ(image.width, width);
    EXPECT_EQ(image.height, height);
  }
}

TEST(Overlay, APathThatCannotBeWrittenIsNamed) {
  try {
    write_overlay(grey(8, 8), {}, "/no/such/folder/overlay.png");
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRuntime);
    EXPECT_TRUE(error.message().starts_with("/no/such/folder/overlay.png: ")) << error.message();
  }
}

}  // namespace
}  // namespace vulcap::grounding
